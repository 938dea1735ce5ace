"""Which tokens end a generation: those the file names, and those known by their text."""

from dataclasses import replace

from pestle.tokenizer.vocabulary import TokenType, Vocabulary

# What ends a turn of the assistant, in the order in which one is chosen as the file's `eot`.
_END_OF_TURN = (
    "<|eot_id|>",
    "<|im_end|>",
    "<|return|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
)
_END = (*_END_OF_TURN, "<|call|>", "<|eom_id|>", "</s>", "<eos>", "[EOS]")
# Padding, a new repository, a new file: in code models the end of what was asked for.
_FIM_END = (
    *("<|fim_pad|>", "<fim_pad>", "<fim-pad>", "<PAD>", "[PAD]"),
    *("<|fim_repo|>", "<fim-repo>", "<|repo_name|>", "<reponame>", "<REPO>"),
    "<|file_sep|>",
)
# HTML's too (struck-out text), which some vocabularies have as user-defined tokens: Gemma's.
_TAG = "</s>"
_ROLES = ("eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep")


def end_of_turn(vocabulary: Vocabulary) -> int | None:
    """The token that ends a turn, None where neither the file nor a known text tells."""
    if "eot" in vocabulary.roles:
        return vocabulary.roles["eot"]
    known = _by_text(vocabulary, _END_OF_TURN)
    return next(iter(known.values()), None)


def end_of_generation(vocabulary: Vocabulary) -> frozenset[int]:
    """Every token at which a generation stops."""
    by_text = _by_text(vocabulary, (*_END, *_FIM_END))
    ends = set(by_text.values())
    ends.update(vocabulary.roles[role] for role in _ROLES if role in vocabulary.roles)
    # Harmony, the format of gpt-oss: there `<|end|>` only ends one of an answer's messages.
    if "<|return|>" in by_text and "<|call|>" in by_text and "<|end|>" in by_text:
        ends.discard(by_text["<|end|>"])
    return frozenset(ends)


def with_ends_as_control(vocabulary: Vocabulary) -> Vocabulary:
    """The vocabulary with the tokens of known end texts as CONTROL, whatever the file has."""
    ends = dict.fromkeys(_by_text(vocabulary, _END).values(), TokenType.CONTROL)
    return replace(vocabulary, marked={**vocabulary.marked, **ends})


def _by_text(vocabulary: Vocabulary, texts: tuple[str, ...]) -> dict[str, int]:
    """Those of `texts` that are tokens, in order.

    A word such as `</s>` can also be an ordinary token, learned from HTML, that ends nothing.
    Only texts with a bar are never words: some files mark those NORMAL by mistake. Others mark
    what steers the model as user-defined, which is believed of a tag only where the file names
    it as an end by number too.
    """
    named = {vocabulary.roles[role] for role in _ROLES if role in vocabulary.roles}
    found = {}
    for text in texts:
        token = vocabulary.ids.get(text)
        if token is None:
            continue
        never_a_word = text.startswith(("<|", "<\uff5c"))
        kind = vocabulary.marked.get(token)
        steers = kind is TokenType.USER_DEFINED and (text != _TAG or token in named)
        if never_a_word or kind is TokenType.CONTROL or steers:
            found[text] = token
    return found
