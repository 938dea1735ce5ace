// Engine and Sequence: one forward pass per call, without the GIL.
#include "runtime/engine.h"

#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "bindings/bindings.h"
#include "bindings/handles.h"
#include "bindings/sequence.h"
#include "bindings/stepping.h"

namespace py = pybind11;

namespace pestle {
namespace {

void keep(Engine& engine, const SequenceHandle& handle) {
  const py::gil_scoped_release released;
  const auto lock = engine.lock();
  engine.keep(handle.sequence);
}

void forget(Engine& engine, const SequenceHandle& handle) {
  const py::gil_scoped_release released;
  const auto lock = engine.lock();
  engine.forget(handle.sequence);
}

std::tuple<int, int, std::vector<int32_t>> find(const Engine& engine, const std::vector<int32_t>& tokens) {
  const py::gil_scoped_release released;
  const auto lock = engine.lock();
  PrefixCache::Match m = engine.find(tokens);
  return {m.n_tokens, m.reusable, std::move(m.next)};
}

std::shared_ptr<SequenceHandle> recall(const std::shared_ptr<Engine>& engine,
                                       const std::vector<int32_t>& tokens, int n) {
  const py::gil_scoped_release released;
  const auto lock = engine->lock();
  auto handle = std::make_shared<SequenceHandle>(engine, engine->recall(tokens, n));
  handle->sequence.remember();
  return handle;
}

std::shared_ptr<SequenceHandle> restore(const std::shared_ptr<Engine>& engine,
                                        const std::vector<int32_t>& tokens,
                                        const std::function<std::optional<py::bytes>(int, int)>& read) {
  const auto read_page = [&](int group, int index, char* to) {
    const py::gil_scoped_acquire acquired;
    const std::optional<py::bytes> page = read(group, index);
    if (!page) return false;
    const std::string_view bytes = *page;
    const size_t expected = engine->kv_layout().group(group).page_bytes();
    if (bytes.size() != expected)
      throw std::invalid_argument("page " + std::to_string(index) + " of group " + std::to_string(group) +
                                  " has " + std::to_string(bytes.size()) + " bytes, expected " +
                                  std::to_string(expected));
    std::copy(bytes.begin(), bytes.end(), to);
    return true;
  };
  // Without the engine's lock: nobody else knows the sequence yet.
  const py::gil_scoped_release released;
  auto handle = std::make_shared<SequenceHandle>(engine, engine->restore(tokens, read_page));
  handle->sequence.remember();
  return handle;
}

std::shared_ptr<Pooler> pooler(const Engine& engine, const std::string& pooling) {
  if (pooling != "mean" && pooling != "last")
    throw std::invalid_argument("pooling is \"" + pooling + "\", expected \"mean\" or \"last\"");
  return std::make_shared<Pooler>(pooling == "mean" ? Pooling::mean : Pooling::last, engine.model().dim);
}

py::array_t<float> logits(const Engine& engine) {
  // Copied once: the rows of a pass are many bytes. Another thread may step before they are.
  for (int rows = -1;;) {
    py::array_t<float> out({py::ssize_t(std::max(rows, 0)), py::ssize_t(engine.model().n_vocab)});
    float* to = out.mutable_data();
    const py::gil_scoped_release released;
    const auto lock = engine.lock();
    if (std::exchange(rows, engine.logits_rows()) != engine.logits_rows()) continue;
    for (int i = 0; i < rows; i++) to = std::copy(engine.logits(i).begin(), engine.logits(i).end(), to);
    return out;
  }
}

py::array_t<uint64_t> expert_counts(const Engine& engine) {
  std::vector<uint64_t> copy;
  {
    const py::gil_scoped_release released;
    const auto lock = engine.lock();
    copy.assign(engine.expert_counts().begin(), engine.expert_counts().end());
  }
  const Decoder& decoder = engine.model().decoder;
  py::array_t<uint64_t> out({py::ssize_t(decoder.layers.size()), py::ssize_t(decoder.n_experts())});
  std::copy(copy.begin(), copy.end(), out.mutable_data());
  return out;
}

using SumsByName = py::typing::Dict<py::str, py::typing::Tuple<py::array_t<double>, py::array_t<uint64_t>>>;

SumsByName input_sums(const Engine& engine) {
  std::map<std::string, InputSums::Sums> copy;
  {
    const py::gil_scoped_release released;
    const auto lock = engine.lock();
    if (!engine.input_sums()) throw std::invalid_argument("the engine was made without gather_inputs");
    copy = engine.input_sums()->sums();
  }
  SumsByName out;
  for (const auto& [name, sums] : copy) {
    const auto matrices = static_cast<py::ssize_t>(sums.counts.size());
    out[py::str(name)] =
        py::make_tuple(py::array_t<double>({matrices, py::ssize_t(sums.columns)}, sums.squares.data()),
                       py::array_t<uint64_t>(matrices, sums.counts.data()));
  }
  return out;
}

}  // namespace

void bind_engine(py::module_& m) {
  py::class_<Engine, std::shared_ptr<Engine>>(m, "Engine", "Runs a model; holds threads and the KV cache.")
      .def(py::init([](const ModelHandle& model, int n_ctx, int threads, int threads_prefill,
                       const std::string& type, int chunk, bool gather_inputs, int64_t prefix_cache,
                       int64_t kv_memory, int64_t pass_memory) {
             if (n_ctx < 0 || threads < 0 || threads_prefill < 0 || prefix_cache < 0 || kv_memory < 0 ||
                 pass_memory < 0 || chunk < 1)
               throw std::invalid_argument(
                   "n_ctx, threads, threads_prefill, prefix_cache, kv_memory and pass_memory must not be "
                   "negative, chunk must be positive");
             return std::make_shared<Engine>(
                 model.model,
                 EngineOptions{n_ctx, threads, threads_prefill, kv_types(type), chunk, gather_inputs,
                               size_t(prefix_cache), size_t(kv_memory), size_t(pass_memory)});
           }),
           py::arg("model"), py::kw_only(), py::arg("n_ctx") = 0, py::arg("threads") = 0,
           py::arg("threads_prefill") = 0, py::arg("kv_type") = "i16",
           py::arg("chunk") = EngineOptions().chunk, py::arg("gather_inputs") = false,
           py::arg("prefix_cache") = 0, py::arg("kv_memory") = 0, py::arg("pass_memory") = 0,
           "n_ctx: tokens a sequence may hold, 0 for the model's own. threads: 0 for one per usable "
           "performance core.\n"
           "chunk: rows of one forward pass at most. kv_type: \"i16\", \"f16\", \"f32\" or \"q8_0\", or one "
           "for keys "
           "and one for values,\n"
           "as in \"q8_0/i16\". gather_inputs: whether input_sums are kept. prefix_cache: bytes for "
           "texts "
           "that no "
           "sequence holds\n"
           "any more; see `recall`. kv_memory: bytes that these and all sequences may hold together; beyond "
           "it a "
           "step\n"
           "raises MemoryLimitError. 0: what the system has. pass_memory: bytes that a forward pass works "
           "with; "
           "rows for\n"
           "which they do not suffice are run in several. 0: as many as it needs.")
      .def_property_readonly("n_ctx", &Engine::n_ctx)
      .def_property_readonly("threads", &Engine::threads)
      .def_property_readonly("threads_prefill", &Engine::threads_prefill)
      .def_property_readonly("chunk", &Engine::chunk)
      .def_property_readonly(
          "dim", [](const Engine& e) { return e.model().dim; }, "Columns of the hidden states.")
      .def_property_readonly("kv_bytes", &Engine::kv_bytes, "Allocated for keys and values.")
      .def_property_readonly(
          "workspace_bytes",
          [](const Engine& e) {
            const py::gil_scoped_release released;
            const auto lock = e.lock();
            return e.workspace_bytes();
          },
          "Taken for the largest forward pass so far.")
      .def_property_readonly(
          "kept_bytes",
          [](const Engine& e) {
            const py::gil_scoped_release released;
            const auto lock = e.lock();
            return e.kept_bytes();
          },
          "Of kv_used, what is kept of texts that no sequence holds; sequences that need room get it.")
      .def_property_readonly("kv_used", &Engine::kv_used, "Bytes of the pages that hold keys and values.")
      .def("kv_size", &Engine::kv_size, py::arg("n_tokens"),
           "Bytes of pages that a text of so many tokens takes at most while it is read from its beginning.")
      .def_property_readonly("kv_limit", &Engine::kv_limit,
                             "The most that kv_used may be; 0: there is no limit.")
      .def_property_readonly(
          "kv_groups",
          [](const Engine& e) {
            std::vector<std::pair<int, size_t>> groups;
            for (int g = 0; g < e.kv_layout().n_groups(); g++)
              groups.emplace_back(e.kv_layout().group(g).window(), e.kv_layout().group(g).page_bytes());
            return groups;
          },
          "(window, bytes of a page) of each group of layers; window 0: they see all.")
      .def_property_readonly(
          "kv_memory", [](const Engine& e) { return KvMemory::of(e.kv_layout(), e.n_ctx(), e.chunk()); },
          "What one sequence takes.")
      .def(
          "sequence",
          [](const std::shared_ptr<Engine>& e, bool remembered) {
            auto handle = std::make_shared<SequenceHandle>(e, Sequence(*e));
            if (remembered) handle->sequence.remember();
            return handle;
          },
          py::arg("remembered") = false,
          "An empty sequence. remembered: its text's pages are kept as they are read, for `recall`.")
      .def("keep", &keep, py::arg("sequence"),
           "Keeps the pages of all that a sequence holds, as long as prefix_cache allow.")
      .def("forget", &forget, py::arg("sequence"),
           "Drops the kept pages that no other text shares with this sequence.")
      .def(
          "find", &find, py::arg("tokens"),
          "(n_tokens, reusable, next): how many tokens `tokens` has in common with the kept text that has "
          "most; how many\n"
          "of these `recall` can give, as windows may have left what more would need; how that text goes on.")
      .def("recall", &recall, py::arg("tokens"), py::arg("n_tokens"),
           "A sequence of the first n_tokens, remembered. ValueError for more than `find` says is reusable.")
      .def("restore", &restore, py::arg("tokens"), py::arg("read"),
           "A remembered sequence of pages that `Sequence.page` gave: read(group, index) returns each, first "
           "all of group 0,\n"
           "or None for one that is not there and that no token to come sees. ValueError for what does not "
           "fit "
           "this engine.")
      .def("pooler", &pooler, py::arg("pooling"),
           "What makes a vector of a text: of the \"mean\" of its tokens' hidden states, or of the \"last\" "
           "token's.")
      .def(
          "step", &step, py::arg("batch"), py::arg("logits") = "last",
          "Appends tokens to their sequences, several in one pass. An entry is (sequence, tokens) or "
          "(sequence, tokens, logits):\n"
          "\"last\", \"all\" or \"none\" of its tokens have logits, by default as the argument says; or "
          "none has, and a\n"
          "Pooler that stands there takes their hidden states. Returns the number of logits rows, which are "
          "in the entries'\n"
          "order. Raises ContextLengthError before anything has changed, InterruptionError where `interrupt` "
          "was\n"
          "called, and Error where experts cannot be read; the sequences then hold what they held. On the "
          "main thread\n"
          "Ctrl-C ends a step that streams experts.")
      .def("interrupt", &Engine::interrupt,
           "Has the step in progress, or else the next one, raise InterruptionError within about a layer's "
           "time. Any\n"
           "thread may call it, and it never waits.")
      .def("choose", &choose, py::arg("choices"),
           "The tokens that follow in several sequences of the last step, chosen in parallel. A choice is "
           "(sampler, sequence,\n"
           "row, draft, n_logprobs, masks, forced): the step appended a token and then `draft` to the "
           "sequence, "
           "whose logits\n"
           "begin at `row`. Gives for each a list of Sampled: the token behind each row up to the first that "
           "the draft did not\n"
           "have, before which the sequence then ends. `masks`, None or a list: uint32 [ceil(n_vocab / 32)] "
           "for "
           "each row, where\n"
           "token t may be chosen if bit t % 32 of word t / 32 is set; a row without a mask ends the choice. "
           "`forced`, None or\n"
           "the token that comes. Penalties and draws depend on the sequence's tokens and the seed alone. "
           "Where "
           "the first row\n"
           "fails, its place has the exception instead, and the sequence stays as it is.")
      .def(
          "score",
          [](Engine& engine, int first_row, const std::vector<int32_t>& targets, int n_top) {
            const py::gil_scoped_release released;
            return engine.score(first_row, targets, n_top);
          },
          py::arg("first_row"), py::arg("targets"), py::arg("n_top") = 0,
          "The log probability of each target in the rows of the last step's logits from first_row on, under "
          "the model\n"
          "itself: no option counts. IndexError for a token or a row that there is not, Error for a logit "
          "that "
          "is not finite.")
      .def("expert_counts", &expert_counts,
           "uint64 [n_layers, n_experts]: tokens that each expert has served since the engine was made. "
           "Layers without\n"
           "experts have served none.")
      .def("input_sums", &input_sums,
           "What the products with each weight have read since the engine was made: by the name of the GGUF "
           "tensor, the\n"
           "sums of its inputs' squares, float64 [n_matrices, columns], and how many rows each matrix has "
           "seen, uint64\n"
           "[n_matrices]. The inputs are those before they are quantized. One sequence after the other gives "
           "the same\n"
           "bits however the tokens are split into steps, on any number of threads. ValueError without "
           "gather_inputs.")
      .def("logits", &logits, "float32 [rows, n_vocab] of the last step, a copy.");
}

}  // namespace pestle
