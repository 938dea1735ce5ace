"""A user's program: texts, token ids, streams and scores."""

from collections.abc import Sequence

from pestle import LLM, Completion, ScoredToken, Stream, TokenLogprob
from typing_extensions import assert_type

with LLM("model.gguf", n_ctx=4096, threads=2, kv_type="q8_0", memory="4GiB") as llm:
    done = llm.generate("One, two,", max_tokens=8, temperature=0, stop=["\n"], logprobs=2)
    assert_type(done, Completion)
    assert_type(done.text, str)
    assert_type(done.usage.total_tokens, int)
    assert_type(done.timings.first_token_s, float | None)
    for each in done.logprobs or ():
        assert_type(each, TokenLogprob)
        assert_type(each.text, str)
        assert_type(each.piece, bytes)
    again = llm.generate([1, 2, 3], seed=done.seed, logit_bias={5: -1.0})
    names: Sequence[str] = ["a", "b"]
    held = llm.generate("Which?", choice=names)
    print(again.to_dict(), held, again.parsed)

    with llm.generate("Go on", stream=True) as stream:
        assert_type(stream, Stream[Completion])
        for chunk in stream:
            print(chunk.text, end="", flush=True)
            if chunk.finish_reason is not None and chunk.usage is not None:
                print(chunk.usage.completion_tokens)
    assert_type(stream.result(), Completion)

    assert_type(llm.tokenize("Hello"), list[int])
    assert_type(llm.detokenize(llm.tokenize("Hello")), str)
    assert_type(llm.score("Hello there", logprobs=1), tuple[ScoredToken, ...])
    rows = llm.logits("Hello")
    print(rows.shape)
    assert_type(float(rows[0, 0]), float)
    assert_type(
        llm.generate_all(["a", "b"], progress=lambda done, of: print(done, of)), list[Completion]
    )
