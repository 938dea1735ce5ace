"""
The C++ core of Pestle: token ids in, logits and ids out.
"""
from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import os
import typing
from types import ModuleType
__all__: list[str] = ['AttentionWork', 'ContextLengthError', 'Drafter', 'Engine', 'Error', 'ExpertLayout', 'ExpertTraffic', 'Footprint', 'FormatError', 'GEMMA3_LAYERS_OF_27B', 'GgufFile', 'GgufTensor', 'GgufType', 'InterruptionError', 'KV_LAYOUT_VERSION', 'KV_PAGE_TOKENS', 'KvMemory', 'MemoryLimitError', 'Model', 'PartRunner', 'Pooler', 'ProductProbe', 'ProductWork', 'QuantizeError', 'RopeOverride', 'Sampled', 'Sampler', 'Scored', 'Sequence', 'TokenWork', 'UnsupportedError', 'architectures', 'compare_logits', 'cpu_info', 'dequantize_rows', 'expert_layout', 'footprint', 'gguf_extent', 'isa', 'isas', 'kernels', 'kv_memory', 'linux_topology', 'measure_bandwidth', 'measure_int16', 'measure_int8', 'measure_reads', 'pass_bytes', 'quantize_rows', 'quantized_row_bytes', 'score_logits', 'token_work', 'types', 'widen', 'widen_fp8']
kernels: ModuleType
class Error(RuntimeError):
    pass
class FormatError(Error):
    pass
class UnsupportedError(Error):
    pass
class MemoryLimitError(Error):
    pass
class ContextLengthError(Error):
    needed: int
    limit: int
class InterruptionError(Error):
    pass
class QuantizeError(Error):
    pass
class GgufTensor:
    """
    One tensor of a GGUF file.
    """
    @property
    def name(self) -> str:
        ...
    @property
    def nbytes(self) -> int:
        ...
    @property
    def offset(self) -> int:
        """
        Bytes from the start of its shard's file.
        """
    @property
    def shape(self) -> tuple[int, ...]:
        """
        Elements, the contiguous dimension first.
        """
    @property
    def shard(self) -> int:
        """
        From 0.
        """
    @property
    def type(self) -> str:
        """
        The type as GGUF names it, such as "Q4_K".
        """
class GgufFile:
    """
    A GGUF file with all its shards, open and checked. Its metadata is a copy; tensors are read when they are asked for.
    """
    @staticmethod
    def of_headers(shards: collections.abc.Sequence[tuple[str, bytes, typing.SupportsInt | typing.SupportsIndex]]) -> GgufFile:
        """
        Of a file that is elsewhere: the path, the beginning, which holds the header, and the size in bytes of each of its shards. What the headers say is checked as it would be when the file were opened, and raises the same; reading a tensor is an Error.
        """
    def __contains__(self, key: str) -> bool:
        ...
    def __getitem__(self, key: str) -> typing.Any:
        """
        The value as int, float, bool, str or a list of one of them, converted anew each time. Text that is not UTF-8 is decoded with "surrogateescape". KeyError when the key is absent.
        """
    def __init__(self, path: str | os.PathLike[str], *, damaged: bool = False) -> None:
        """
        Opens the first or only shard and all others. FormatError: the content is wrong; UnsupportedError: it is of a version, byte order or type that is not read; Error: it cannot be opened, or is being written to. damaged: a file whose list of tensors or data is cut is opened too, and so is one without some of its shards; `damage` says which it is, and no tensor can be read.
        """
    def check_unchanged(self) -> None:
        """
        Error when a shard was cut or written to since it was opened, as far as its size and the time of its last change tell.
        """
    def encoded(self, key: str) -> bytes:
        """
        Type and value as they stand in the file, behind the key. KeyError when the key is absent.
        """
    def get(self, key: str, default: typing.Any = None) -> typing.Any:
        ...
    def keys(self) -> list[str]:
        """
        Metadata keys, in file order.
        """
    def read(self, name: str, offset: typing.SupportsInt | typing.SupportsIndex = 0, size: typing.SupportsInt | typing.SupportsIndex | None = None) -> numpy.typing.NDArray[numpy.uint8]:
        """
        `size` bytes of a tensor from `offset` on, or all that follow: uint8 [size], a copy. Parts of some megabytes keep memory bounded. KeyError: there is no such tensor; IndexError: it ends before. Error when the system refuses, or the file was cut or written to since it was opened.
        """
    def spare_cache(self) -> None:
        """
        From now on reads leave nothing in the system's page cache.
        """
    @property
    def damage(self) -> str | None:
        """
        What is wrong with a file that was opened with `damaged`; None: nothing.
        """
    @property
    def path(self) -> str:
        ...
    @property
    def paths(self) -> list[str]:
        """
        All shards.
        """
    @property
    def size(self) -> int:
        """
        Bytes of all shards.
        """
    @property
    def tensors(self) -> list[GgufTensor]:
        """
        In file order, shard after shard.
        """
    @property
    def version(self) -> int:
        ...
class ExpertLayout:
    """
    What experts take that are read from the file when tokens ask for them.
    """
    def bytes(self, n_slots: typing.SupportsInt | typing.SupportsIndex) -> int:
        """
        All that is allocated for so many slots, readers' buffers included.
        """
    def slots(self, budget: typing.SupportsInt | typing.SupportsIndex) -> int:
        """
        The slots that fit into so many bytes, as many as there are experts at most; 0 where fewer than min_slots fit.
        """
    @property
    def cycle(self) -> int:
        """
        Experts that one token asks for, in all layers.
        """
    @property
    def expert_bytes(self) -> list[int]:
        """
        Bytes of one expert of each layer, which a miss reads; 0 where a layer has none.
        """
    @property
    def min_slots(self) -> int:
        """
        The fewest slots that it runs with.
        """
    @property
    def n_experts(self) -> int:
        """
        Of all layers; 0: the model has none.
        """
    @property
    def reader_bytes(self) -> int:
        """
        Of the buffer of each reader.
        """
    @property
    def readers(self) -> int:
        """
        Threads that read.
        """
    @property
    def slot_bytes(self) -> int:
        """
        Of every slot, which holds one expert.
        """
class ExpertTraffic:
    """
    What streaming experts has read since the model was loaded.
    """
    @property
    def asked(self) -> int:
        """
        Experts that passes asked for; one counts once for each pass of its layer.
        """
    @property
    def guesses(self) -> int:
        """
        Experts that a token was guessed to ask for in its next layer.
        """
    @property
    def hits(self) -> int:
        """
        Of these, those that were in memory before.
        """
    @property
    def read_bytes(self) -> int:
        ...
    @property
    def reads(self) -> int:
        """
        Experts that were read.
        """
    @property
    def right(self) -> int:
        """
        Of these, those that it did ask for.
        """
    @property
    def stall_bytes(self) -> int:
        """
        What was read meanwhile.
        """
    @property
    def stall_seconds(self) -> float:
        """
        That products have waited for reads.
        """
    @property
    def tokens(self) -> int:
        ...
class KvMemory:
    """
    What keys and values of one text take.
    """
    @property
    def bytes_per_token(self) -> int:
        """
        What each token adds.
        """
    @property
    def window_bytes(self) -> int:
        """
        The most that layers with a window take, however long the text is.
        """
class RopeOverride:
    """
    What takes the place of a file's rotary base and scaling.
    """
    def __init__(self, *, rope_scaling: str | None = None, rope_scale: typing.SupportsFloat | typing.SupportsIndex | None = None, yarn_orig_ctx: typing.SupportsInt | typing.SupportsIndex | None = None, rope_freq_base: typing.SupportsFloat | typing.SupportsIndex | None = None) -> None:
        """
        rope_scaling: "none", "linear" or "yarn". ValueError for values that do not go together.
        """
class Model:
    """
    A model's weights, packed for the kernels. Immutable; engines share it.
    """
    @typing.overload
    def __init__(self, file: GgufFile, *, threads: typing.SupportsInt | typing.SupportsIndex = 0, progress: collections.abc.Callable[[int, int], bool] | None = None, rope: RopeOverride | None = None, only: typing.SupportsInt | typing.SupportsIndex | str | None = None, expert_memory: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        Packs the weights of a GGUF file that is open.
        """
    @typing.overload
    def __init__(self, path: str | os.PathLike[str], *, threads: typing.SupportsInt | typing.SupportsIndex = 0, progress: collections.abc.Callable[[int, int], bool] | None = None, rope: RopeOverride | None = None, only: typing.SupportsInt | typing.SupportsIndex | str | None = None, expert_memory: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        Opens a GGUF file and packs its weights. Where something else is read of the same file, open it once, as a GgufFile, and load that: another file may take its place in between.
        
        progress(done, total), in bytes, is called between pieces; returning False raises KeyboardInterrupt.
        rope takes the place of the file's rotary base and scaling. only: "embedding", the number of a layer, or "output": that part alone, which a PartRunner runs; the file need not hold the others. IndexError: the model has no such layer. expert_memory: bytes for experts, which are then read from the file when tokens ask for them (see expert_layout); 0: all are in memory. Raises FormatError, UnsupportedError, MemoryLimitError; Error when the file is cut or written to meanwhile.
        """
    def kv_bytes_per_token(self, kv_type: str = 'i16') -> int:
        """
        Bytes of keys and values that each token adds.
        """
    @property
    def architecture(self) -> str:
        ...
    @property
    def decode_bytes(self) -> int:
        """
        Weight bytes that one decoded token reads, head included.
        """
    @property
    def dim(self) -> int:
        ...
    @property
    def expert_memory(self) -> int:
        """
        Bytes that are allocated for streamed experts; 0: all are in memory, in weight_bytes.
        """
    @property
    def expert_read_rate(self) -> float:
        """
        Bytes a second at which the file could be read when the model was loaded; 0: not measured.
        """
    @property
    def expert_traffic(self) -> ExpertTraffic | None:
        """
        What streaming experts has read so far; None where they are in memory.
        """
    @property
    def experts_past_cache(self) -> bool:
        """
        Whether experts are read past the system's page cache.
        """
    @property
    def n_ctx_train(self) -> int:
        ...
    @property
    def n_layers(self) -> int:
        ...
    @property
    def n_params(self) -> int:
        ...
    @property
    def n_vocab(self) -> int:
        ...
    @property
    def notes(self) -> list[str]:
        """
        What was decided where the file leaves something open, one sentence each.
        """
    @property
    def path(self) -> str:
        ...
    @property
    def prefill_ops(self) -> int:
        """
        Two operations per multiply-add with weights of one prefilled token, head excluded.
        """
    @property
    def weight_bytes(self) -> int:
        """
        Packed, resident.
        """
class ProductWork:
    """
    A weight that tokens are multiplied with.
    """
    @property
    def bytes(self) -> int:
        """
        Of one matrix, packed.
        """
    @property
    def columns(self) -> int:
        """
        Of one matrix.
        """
    @property
    def count(self) -> int:
        """
        Matrices: experts, or heads.
        """
    @property
    def format(self) -> str:
        ...
    @property
    def head(self) -> bool:
        """
        Only rows whose logits are wanted meet it.
        """
    @property
    def per_token(self) -> int:
        """
        Of its matrices, those that a token meets.
        """
    @property
    def rows(self) -> int:
        """
        Of one matrix.
        """
    @property
    def tensor(self) -> str:
        ...
    @property
    def wide(self) -> bool:
        """
        Activations have 15 bits.
        """
class AttentionWork:
    """
    What a layer's attention reads of keys and values.
    """
    @property
    def k_dim(self) -> int:
        """
        Channels of a key.
        """
    @property
    def latent(self) -> bool:
        """
        One row serves as key and value.
        """
    @property
    def n_heads(self) -> int:
        ...
    @property
    def n_kv_heads(self) -> int:
        ...
    @property
    def v_dim(self) -> int:
        """
        Channels of a value.
        """
    @property
    def window(self) -> int:
        """
        Positions that a token sees; 0: all.
        """
class TokenWork:
    """
    What a token asks of a machine.
    """
    @property
    def attention(self) -> list[AttentionWork]:
        """
        Of each layer.
        """
    @property
    def dim(self) -> int:
        ...
    @property
    def n_layers(self) -> int:
        ...
    @property
    def products(self) -> list[ProductWork]:
        """
        In a token's order, the head last.
        """
class ProductProbe:
    """
    Memory full of weights, on which products are timed.
    """
    def __init__(self, bytes: typing.SupportsInt | typing.SupportsIndex, threads: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        As many bytes as a token of the model reads: caches hold the same part of them.
        """
    def seconds(self, format: str, wide: bool, rows: typing.SupportsInt | typing.SupportsIndex, columns: typing.SupportsInt | typing.SupportsIndex, batch: typing.SupportsInt | typing.SupportsIndex = 1) -> float:
        """
        Of a product of `batch` rows with one weight [rows, columns], quantizing them included, by the active kernels: the best of some rounds over all such weights that the memory holds.
        """
class Sequence:
    """
    The tokens of one text and their keys and values.
    """
    def first_pages(self: Sequence, n_tokens: typing.SupportsInt | typing.SupportsIndex) -> list[int]:
        """
        Of each group the first page that a token after n_tokens sees.
        """
    def fork(self: Sequence, n_tokens: typing.SupportsInt | typing.SupportsIndex) -> Sequence:
        """
        A sequence that shares the KV pages of the first n_tokens. IndexError beyond n_tokens, ValueError for more than
        `reusable`.
        """
    def growth(self: Sequence, n_tokens: typing.SupportsInt | typing.SupportsIndex) -> int:
        """
        Bytes of keys and values that so many tokens more take at most, as far as the context reaches.
        """
    def mark(self: Sequence) -> None:
        """
        Says that the text is likely to be continued from here.
        """
    def page(self: Sequence, group: typing.SupportsInt | typing.SupportsIndex, index: typing.SupportsInt | typing.SupportsIndex) -> bytes | None:
        """
        Keys and values of KV_PAGE_TOKENS positions in one group's layers, as `Engine.restore` takes them; None where
        they are not held.
        """
    def reusable(self: Sequence, n_tokens: typing.SupportsInt | typing.SupportsIndex) -> int:
        """
        How many of the first n_tokens can be kept by a fork or after truncating: all of them, or none where layers
        with a window have given back what the next token would see. IndexError beyond n_tokens.
        """
    def truncate(self: Sequence, n_tokens: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Forgets all but the first n_tokens. Raises as fork does.
        """
    @property
    def n_tokens(self) -> int:
        ...
    @property
    def tokens(self) -> list[int]:
        ...
class Sampled:
    """
    A token and, where asked for, log probabilities of the model's own distribution.
    """
    @property
    def logprob(self) -> float:
        """
        NaN unless n_logprobs > 0.
        """
    @property
    def token(self) -> int:
        ...
    @property
    def top(self) -> list[tuple[int, float]]:
        """
        (token, logprob), most likely first.
        """
class Scored:
    """
    What the model itself thinks of a token.
    """
    @property
    def greedy(self) -> bool:
        """
        Whether it is the most likely token there.
        """
    @property
    def logprob(self) -> float:
        ...
    @property
    def top(self) -> list[tuple[int, float]]:
        """
        (token, logprob), most likely first.
        """
class Pooler:
    """
    Makes one vector of the hidden states of a text's tokens, behind the last norm. The text may be read in any number of
    steps: the vector has the same bits. Not to be used while a step is in progress that it takes part in.
    """
    def vector(self, *, dimensions: typing.SupportsInt | typing.SupportsIndex = 0, normalized: bool = True) -> numpy.typing.NDArray[numpy.float32]:
        """
        float32 [dimensions]: the first of the model's columns, all of them for 0, scaled to length 1 if normalized. Error
        where one is not finite, ValueError before the first token or for a wrong number.
        """
    @property
    def n_tokens(self) -> int:
        """
        How many tokens have been pooled.
        """
class Engine:
    """
    Runs a model; holds threads and the KV cache.
    """
    def __init__(self, model: Model, *, n_ctx: typing.SupportsInt | typing.SupportsIndex = 0, threads: typing.SupportsInt | typing.SupportsIndex = 0, threads_prefill: typing.SupportsInt | typing.SupportsIndex = 0, kv_type: str = 'i16', chunk: typing.SupportsInt | typing.SupportsIndex = 512, gather_inputs: bool = False, prefix_cache: typing.SupportsInt | typing.SupportsIndex = 0, kv_memory: typing.SupportsInt | typing.SupportsIndex = 0, pass_memory: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        n_ctx: tokens a sequence may hold, 0 for the model's own. threads: 0 for one per usable performance core.
        chunk: rows of one forward pass at most. kv_type: "i16", "f16", "f32" or "q8_0", or one for keys and one for values,
        as in "q8_0/i16". gather_inputs: whether input_sums are kept. prefix_cache: bytes for texts that no sequence holds
        any more; see `recall`. kv_memory: bytes that these and all sequences may hold together; beyond it a step
        raises MemoryLimitError. 0: what the system has. pass_memory: bytes that a forward pass works with; rows for
        which they do not suffice are run in several. 0: as many as it needs.
        """
    def choose(self, choices: collections.abc.Sequence[tuple[typing.Any, ...]]) -> list[list[Sampled] | BaseException]:
        """
        The tokens that follow in several sequences of the last step, chosen in parallel. A choice is (sampler, sequence,
        row, draft, n_logprobs, masks, forced): the step appended a token and then `draft` to the sequence, whose logits
        begin at `row`. Gives for each a list of Sampled: the token behind each row up to the first that the draft did not
        have, before which the sequence then ends. `masks`, None or a list: uint32 [ceil(n_vocab / 32)] for each row, where
        token t may be chosen if bit t % 32 of word t / 32 is set; a row without a mask ends the choice. `forced`, None or
        the token that comes. Penalties and draws depend on the sequence's tokens and the seed alone. Where the first row
        fails, its place has the exception instead, and the sequence stays as it is.
        """
    def expert_counts(self) -> numpy.typing.NDArray[numpy.uint64]:
        """
        uint64 [n_layers, n_experts]: tokens that each expert has served since the engine was made. Layers without
        experts have served none.
        """
    def find(self, tokens: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]) -> tuple[int, int, list[int]]:
        """
        (n_tokens, reusable, next): how many tokens `tokens` has in common with the kept text that has most; how many
        of these `recall` can give, as windows may have left what more would need; how that text goes on.
        """
    def forget(self, sequence: Sequence) -> None:
        """
        Drops the kept pages that no other text shares with this sequence.
        """
    def input_sums(self) -> dict[str, tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.uint64]]]:
        """
        What the products with each weight have read since the engine was made: by the name of the GGUF tensor, the
        sums of its inputs' squares, float64 [n_matrices, columns], and how many rows each matrix has seen, uint64
        [n_matrices]. The inputs are those before they are quantized. One sequence after the other gives the same
        bits however the tokens are split into steps, on any number of threads. ValueError without gather_inputs.
        """
    def interrupt(self) -> None:
        """
        Has the step in progress, or else the next one, raise InterruptionError within about a layer's time. Any
        thread may call it, and it never waits.
        """
    def keep(self, sequence: Sequence) -> None:
        """
        Keeps the pages of all that a sequence holds, as long as prefix_cache allow.
        """
    def kv_size(self, n_tokens: typing.SupportsInt | typing.SupportsIndex) -> int:
        """
        Bytes of pages that a text of so many tokens takes at most while it is read from its beginning.
        """
    def logits(self) -> numpy.typing.NDArray[numpy.float32]:
        """
        float32 [rows, n_vocab] of the last step, a copy.
        """
    def pooler(self, pooling: str) -> Pooler:
        """
        What makes a vector of a text: of the "mean" of its tokens' hidden states, or of the "last" token's.
        """
    def recall(self, tokens: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], n_tokens: typing.SupportsInt | typing.SupportsIndex) -> Sequence:
        """
        A sequence of the first n_tokens, remembered. ValueError for more than `find` says is reusable.
        """
    def restore(self, tokens: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], read: collections.abc.Callable[[int, int], bytes | None]) -> Sequence:
        """
        A remembered sequence of pages that `Sequence.page` gave: read(group, index) returns each, first all of group 0,
        or None for one that is not there and that no token to come sees. ValueError for what does not fit this engine.
        """
    def score(self, first_row: typing.SupportsInt | typing.SupportsIndex, targets: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], n_top: typing.SupportsInt | typing.SupportsIndex = 0) -> list[Scored]:
        """
        The log probability of each target in the rows of the last step's logits from first_row on, under the model
        itself: no option counts. IndexError for a token or a row that there is not, Error for a logit that is not finite.
        """
    def sequence(self, remembered: bool = False) -> Sequence:
        """
        An empty sequence. remembered: its text's pages are kept as they are read, for `recall`.
        """
    def step(self, batch: collections.abc.Sequence[tuple[typing.Any, ...]], logits: str = 'last') -> int:
        """
        Appends tokens to their sequences, several in one pass. An entry is (sequence, tokens) or (sequence, tokens, logits):
        "last", "all" or "none" of its tokens have logits, by default as the argument says; or none has, and a
        Pooler that stands there takes their hidden states. Returns the number of logits rows, which are in the entries'
        order. Raises ContextLengthError before anything has changed, InterruptionError where `interrupt` was
        called, and Error where experts cannot be read; the sequences then hold what they held. On the main thread
        Ctrl-C ends a step that streams experts.
        """
    @property
    def chunk(self) -> int:
        ...
    @property
    def dim(self) -> int:
        """
        Columns of the hidden states.
        """
    @property
    def kept_bytes(self) -> int:
        """
        Of kv_used, what is kept of texts that no sequence holds; sequences that need room get it.
        """
    @property
    def kv_bytes(self) -> int:
        """
        Allocated for keys and values.
        """
    @property
    def kv_groups(self) -> list[tuple[int, int]]:
        """
        (window, bytes of a page) of each group of layers; window 0: they see all.
        """
    @property
    def kv_limit(self) -> int:
        """
        The most that kv_used may be; 0: there is no limit.
        """
    @property
    def kv_memory(self) -> KvMemory:
        """
        What one sequence takes.
        """
    @property
    def kv_used(self) -> int:
        """
        Bytes of the pages that hold keys and values.
        """
    @property
    def n_ctx(self) -> int:
        ...
    @property
    def threads(self) -> int:
        ...
    @property
    def threads_prefill(self) -> int:
        ...
    @property
    def workspace_bytes(self) -> int:
        """
        Taken for the largest forward pass so far.
        """
class Footprint:
    """
    What a model and one text take in memory, in bytes.
    """
    @property
    def chunk(self) -> int:
        ...
    @property
    def experts(self) -> int:
        """
        The experts of all mixtures; 0: there are none.
        """
    @property
    def kv(self) -> int:
        """
        Keys and values of one text of n_ctx tokens.
        """
    @property
    def kv_pages(self) -> int:
        """
        Of `kv`, its pages: kv_memory has to be as much.
        """
    @property
    def kv_slack(self) -> int:
        """
        What is allocated beyond kv_memory at most.
        """
    @property
    def logits(self) -> int:
        """
        One row of logits.
        """
    @property
    def metadata(self) -> int:
        """
        Values of the file's header.
        """
    @property
    def n_ctx(self) -> int:
        ...
    @property
    def n_merges(self) -> int:
        """
        Of the tokenizer.
        """
    @property
    def n_tokens(self) -> int:
        """
        Of the tokenizer.
        """
    @property
    def pass_memory(self) -> int:
        """
        Of `workspace`, what pass_memory has to be.
        """
    @property
    def threads(self) -> int:
        ...
    @property
    def threads_prefill(self) -> int:
        ...
    @property
    def weights(self) -> int:
        """
        What every token reads, and the embedding.
        """
    @property
    def workspace(self) -> int:
        """
        One forward pass of up to `chunk` rows, at the end of the context.
        """
class Sampler:
    """
    Turns logits into a token. Order: mask, bias, penalties, top-k, top-p, min-p, temperature, draw.
    """
    def __init__(self, *, temperature: typing.SupportsFloat | typing.SupportsIndex = 0.8, top_k: typing.SupportsInt | typing.SupportsIndex = 40, top_p: typing.SupportsFloat | typing.SupportsIndex = 0.95, min_p: typing.SupportsFloat | typing.SupportsIndex = 0.05, repeat_penalty: typing.SupportsFloat | typing.SupportsIndex = 1.0, repeat_last_n: typing.SupportsInt | typing.SupportsIndex = 64, frequency_penalty: typing.SupportsFloat | typing.SupportsIndex = 0.0, presence_penalty: typing.SupportsFloat | typing.SupportsIndex = 0.0, seed: typing.SupportsInt | typing.SupportsIndex = 0, logit_bias: collections.abc.Mapping[typing.SupportsInt | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex] | None = None) -> None:
        """
        temperature 0 takes the most likely token. ValueError names an option out of range.
        """
    def sample(self, engine: Engine, row: typing.SupportsInt | typing.SupportsIndex, history: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], n_logprobs: typing.SupportsInt | typing.SupportsIndex = 0, mask: typing.Annotated[numpy.typing.ArrayLike, numpy.uint32] | None = None) -> Sampled:
        """
        Samples from one row of the engine's last logits after a text that need not be a sequence's; `Engine.choose` is
        for those. The draw depends on the seed and len(history) alone.
        mask: uint32 [ceil(n_vocab / 32)]; token t may be chosen if bit t % 32 of word t / 32 is set. Log probabilities
        are those without it. ValueError for another size, Error for one that allows no token.
        """
class Drafter:
    """
    Guesses how a text goes on, from what it has said before.
    """
    def __init__(self) -> None:
        ...
    def draft(self, most: typing.SupportsInt | typing.SupportsIndex) -> tuple[list[int], list[float]]:
        """
        At most so many tokens that may follow, never more than 1024, and the confidence in each if those before it are right.
        """
    def extend(self, tokens: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]) -> None:
        """
        Appends tokens to the text.
        """
    @property
    def n_tokens(self) -> int:
        ...
class PartRunner:
    """
    Runs a part of a model over whole texts; not thread safe.
    """
    def __init__(self, model: Model, *, threads: typing.SupportsInt | typing.SupportsIndex = 0, kv_type: str = 'i16', chunk: typing.SupportsInt | typing.SupportsIndex = 512) -> None:
        """
        model: loaded with `only`. What the engine hands from part to part, these methods do too, to the bit. ValueError where the model is another part.
        """
    def embed(self, tokens: numpy.typing.NDArray[numpy.int32]) -> numpy.typing.NDArray[numpy.float32]:
        """
        float32 [n, dim] of the tokens, int32 [n], of one text.
        """
    def layer(self, x: numpy.typing.NDArray[numpy.float32]) -> None:
        """
        Takes the tokens of one text, from its first on, through the layer: float32 [n, dim], in place.
        """
    def logits(self, x: numpy.typing.NDArray[numpy.float32]) -> numpy.typing.NDArray[numpy.float32]:
        """
        float32 [n, n_vocab] after each token of [n, dim].
        """
class GgufType:
    """
    A type of numbers in GGUF, as the core knows it.
    """
    @property
    def block_bytes(self) -> int:
        ...
    @property
    def block_elems(self) -> int:
        ...
    @property
    def id(self) -> int:
        ...
    @property
    def name(self) -> str:
        ...
    @property
    def quantizable(self) -> bool:
        ...
    @property
    def runs(self) -> bool:
        ...
def architectures() -> list[str]:
    """
    The architectures that run, as general.architecture names them.
    """
def compare_logits(reference: numpy.typing.NDArray[numpy.float32], logits: numpy.typing.NDArray[numpy.float32], following: numpy.typing.NDArray[numpy.int32], threads: typing.SupportsInt | typing.SupportsIndex = 0) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.bool]]:
    """
    (reference_loss, loss, divergence: float64 [rows]; same_best: bool [rows]): score_logits of both, the Kullback-Leibler divergence of the logits from the reference, in nats, and whether the most likely token is the same.
    """
def cpu_info() -> dict[str, typing.Any]:
    """
    Processor, cores (`usable`: under affinity and cgroup quota), kernel features, cache bytes.
    """
def dequantize_rows(type: str, quantized: numpy.typing.NDArray[numpy.uint8], out: numpy.typing.NDArray[numpy.float32], threads: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
    """
    Blocks of a GGUF type, uint8, to float32, as readers of a file compute them. ValueError for sizes that do not match, UnsupportedError for a type that Pestle does not run.
    """
def expert_layout(file: GgufFile) -> ExpertLayout:
    """
    What the file's experts would take if they were streamed. Reads no weights; raises as loading does.
    """
def footprint(file: GgufFile, *, n_ctx: typing.SupportsInt | typing.SupportsIndex = 0, threads: typing.SupportsInt | typing.SupportsIndex = 0, threads_prefill: typing.SupportsInt | typing.SupportsIndex = 0, kv_type: str = 'i16', chunk: typing.SupportsInt | typing.SupportsIndex = 512, rope: RopeOverride | None = None) -> Footprint:
    """
    What Model and Engine would take, to the byte, with the kernels of this machine. Reads no weights, and nothing but the
    header; raises as loading does. 0: as Engine chooses.
    """
def gguf_extent(beginning: bytes, file_size: typing.SupportsInt | typing.SupportsIndex, name: str) -> tuple[int, int]:
    """
    (Bytes of the header of a GGUF file, where its last tensor ends), told from the file's beginning. Where that is cut off within the header, the first is more than it has: so many bytes, at least, tell more; and the second is 0. FormatError and UnsupportedError for what is wrong as far as it shows; `name` is what they call the file.
    """
def isa() -> str:
    """
    The active kernel set. PESTLE_ISA forces one; UnsupportedError when it cannot run here.
    """
def isas() -> list[str]:
    """
    The kernel sets that this machine can run, best first.
    """
def kv_memory(file: GgufFile, kv_type: str = 'i16', chunk: typing.SupportsInt | typing.SupportsIndex = 512) -> KvMemory:
    """
    What an engine would keep, in passes of up to `chunk` tokens. Reads no weights; raises as loading does.
    """
def linux_topology(root: str, allowed: collections.abc.Set[typing.SupportsInt | typing.SupportsIndex]) -> dict[str, typing.Any]:
    """
    What cpu_info would say, without features, of the Linux machine whose /sys and /proc lie below `root`, to a process that may run on the processors `allowed`. For tests.
    """
def measure_bandwidth(threads: typing.SupportsInt | typing.SupportsIndex = 0) -> float:
    """
    Bytes per second read from DRAM through huge pages, best of five rounds.
    """
def measure_int16(threads: typing.SupportsInt | typing.SupportsIndex = 0) -> float:
    """
    The same of int16, with which keys and values are multiplied.
    """
def measure_int8(threads: typing.SupportsInt | typing.SupportsIndex = 0) -> float:
    """
    int8 operations per second of the active kernels' dot product in registers; a multiply-add is two.
    """
def measure_reads(path: str | os.PathLike[str]) -> float:
    """
    How fast a file is read at random places, past the page cache, in pieces as large and as many at a time as experts are: bytes a second. Takes 0.4 s. 0: the system cannot bypass its cache, or the file is too small.
    """
def pass_bytes(engine: Engine, rows: typing.SupportsInt | typing.SupportsIndex, position: typing.SupportsInt | typing.SupportsIndex, *, sequences: typing.SupportsInt | typing.SupportsIndex = 1, logit_rows: typing.SupportsInt | typing.SupportsIndex = 1) -> int:
    """
    What an engine takes, beside weights and cache, for a pass of `rows` tokens of each of some sequences, from `position`
    on.
    """
def quantize_rows(type: str, rows: numpy.typing.NDArray[numpy.float32], out: numpy.typing.NDArray[numpy.uint8], importance: numpy.typing.NDArray[numpy.float32] | None = None, threads: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
    """
    Writes float32 [rows, columns] as blocks of a GGUF type into `out`, uint8; importance: float32 [columns]. Raises QuantizeError, UnsupportedError, and ValueError for sizes that do not match.
    """
def quantized_row_bytes(type: str, columns: typing.SupportsInt | typing.SupportsIndex) -> int:
    """
    Bytes of a row; UnsupportedError where it is not whole blocks, or nothing is quantized to the type.
    """
def score_logits(logits: numpy.typing.NDArray[numpy.float32], following: numpy.typing.NDArray[numpy.int32], threads: typing.SupportsInt | typing.SupportsIndex = 0) -> numpy.typing.NDArray[numpy.float64]:
    """
    float64 [rows]: -ln of the probability that each row of float32 [rows, n_vocab] gives to its token of `following`, int32 [rows]. Error: a logit is not finite.
    """
def token_work(file: GgufFile) -> TokenWork:
    """
    What a token of the file's model goes through. Reads no weights; raises as loading does.
    """
def types() -> list[GgufType]:
    """
    Every type that is read from files, in the order of their ids.
    """
def widen(type: str, source: numpy.typing.NDArray[numpy.uint16], out: numpy.typing.NDArray[numpy.float32], threads: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
    """
    F16 or BF16, as uint16, to float32, exactly.
    """
def widen_fp8(codes: numpy.typing.NDArray[numpy.uint8], scales: numpy.typing.NDArray[numpy.float32], out: numpy.typing.NDArray[numpy.float32], threads: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
    """
    E4M3 codes, uint8 [rows, columns], times the float32 scale of each 128 x 128 block, to float32.
    """
GEMMA3_LAYERS_OF_27B: int = 62
KV_LAYOUT_VERSION: int = 2
KV_PAGE_TOKENS: int = 64
