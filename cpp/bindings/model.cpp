// Model: packed weights. KvType by name.
#include "model/model.h"
#include "model/arch/arch.h"
#include "model/registry.h"
#include "runtime/engine.h"

#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <stdexcept>
#include <variant>

#include "bindings/bindings.h"
#include "bindings/handles.h"
#include "bindings/path.h"

namespace py = pybind11;

namespace pestle {

KvTypes kv_types(const std::string& name) {
  const auto type = [&](const std::string& part) {
    if (part == "i16") return KvType::i16;
    if (part == "f16") return KvType::f16;
    if (part == "f32") return KvType::f32;
    if (part == "q8_0") return KvType::q8_0;
    throw std::invalid_argument(
        "kv_type is \"" + name +
        "\", expected \"i16\", \"f16\", \"f32\", \"q8_0\" or two of them, as in \"q8_0/i16\"");
  };
  const size_t slash = name.find('/');
  return {type(name.substr(0, slash)), type(slash == name.npos ? name : name.substr(slash + 1))};
}

namespace {

using Progress = std::function<bool(size_t, size_t)>;

RopeOverride rope_override(const std::optional<std::string>& scaling, std::optional<float> scale,
                           std::optional<int> original_context, std::optional<float> base) {
  RopeOverride rope{std::nullopt, scale, original_context, base};
  if (scaling) rope.scaling = RopeOverride::kind(*scaling);
  rope.check();
  return rope;
}

ModelPart part_of(const std::optional<std::variant<int, std::string>>& only) {
  if (!only) return {};
  if (const int* layer = std::get_if<int>(&*only)) return {ModelPart::Kind::layer, *layer};
  const std::string& name = std::get<std::string>(*only);
  if (name == "embedding") return {ModelPart::Kind::embedding};
  if (name == "output") return {ModelPart::Kind::output};
  throw std::invalid_argument("only is \"" + name + "\", expected \"embedding\", \"output\" or a layer");
}

using Only = std::optional<std::variant<int, std::string>>;

ModelHandle load(const gguf::File& file, int threads, const std::optional<Progress>& progress,
                 const std::optional<RopeOverride>& rope, const Only& only, size_t expert_memory) {
  const LoadOptions options{threads, rope.value_or(RopeOverride()), part_of(only), expert_memory};
  const py::gil_scoped_release released;
  return {Model::load(file, options, [&](size_t done, size_t total) {
    const py::gil_scoped_acquire acquired;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!progress || (*progress)(done, total)) return;
    PyErr_SetNone(PyExc_KeyboardInterrupt);
    throw py::error_already_set();
  })};
}

ModelHandle load_path(const PathArgument& path, int threads, const std::optional<Progress>& progress,
                      const std::optional<RopeOverride>& rope, const Only& only, size_t expert_memory) {
  const gguf::File file = [&] {
    const py::gil_scoped_release released;
    return gguf::File::open(path.text);
  }();
  return load(file, threads, progress, rope, only, expert_memory);
}

}  // namespace

void bind_model(py::module_& m) {
  m.attr("GEMMA3_LAYERS_OF_27B") = kGemma3LayersOf27B;
  py::class_<KvMemory>(m, "KvMemory", "What keys and values of one text take.")
      .def_readonly("bytes_per_token", &KvMemory::bytes_per_token, "What each token adds.")
      .def_readonly("window_bytes", &KvMemory::window_bytes,
                    "The most that layers with a window take, however long the text is.");
  m.def(
      "kv_memory",
      [](const gguf::File& file, const std::string& type, int chunk) {
        const Outline found = Outline::of(file);
        return KvMemory::of(KvLayout(found.decoder.kv_shapes(), kv_types(type)), found.n_ctx, chunk);
      },
      py::arg("file"), py::arg("kv_type") = "i16", py::arg("chunk") = EngineOptions().chunk,
      "What an engine would keep, in passes of up to `chunk` tokens. Reads no weights; raises as loading "
      "does.");

  py::class_<RopeOverride>(m, "RopeOverride", "What takes the place of a file's rotary base and scaling.")
      .def(py::init(&rope_override), py::kw_only(), py::arg("rope_scaling") = py::none(),
           py::arg("rope_scale") = py::none(), py::arg("yarn_orig_ctx") = py::none(),
           py::arg("rope_freq_base") = py::none(),
           "rope_scaling: \"none\", \"linear\" or \"yarn\". ValueError for values that do not go together.");

  py::class_<ModelHandle>(m, "Model",
                          "A model's weights, packed for the kernels. Immutable; engines share it.")
      .def(py::init(&load), py::arg("file"), py::kw_only(), py::arg("threads") = 0,
           py::arg("progress") = py::none(), py::arg("rope") = py::none(), py::arg("only") = py::none(),
           py::arg("expert_memory") = 0, "Packs the weights of a GGUF file that is open.")
      .def(py::init(&load_path), py::arg("path"), py::kw_only(), py::arg("threads") = 0,
           py::arg("progress") = py::none(), py::arg("rope") = py::none(), py::arg("only") = py::none(),
           py::arg("expert_memory") = 0,
           "Opens a GGUF file and packs its weights. Where something else is read of the same file, open it "
           "once, as a GgufFile, and load that: another file may take its place in between.\n\n"
           "progress(done, total), in bytes, is called between pieces; returning False raises "
           "KeyboardInterrupt.\n"
           "rope takes the place of the file's rotary base and scaling. only: \"embedding\", the number of a "
           "layer, or "
           "\"output\": that part alone, which a PartRunner runs; the file need not hold the others. "
           "IndexError: "
           "the model has no such layer. expert_memory: bytes for experts, which are then read from the file "
           "when "
           "tokens ask for them (see "
           "expert_layout); 0: all are in memory. Raises FormatError, "
           "UnsupportedError, MemoryLimitError; Error when the file is cut or written to meanwhile.")
      .def_property_readonly("path", [](const ModelHandle& h) { return path_to_str(h.model->path); })
      .def_property_readonly("architecture", [](const ModelHandle& h) { return h.model->architecture; })
      .def_property_readonly(
          "notes", [](const ModelHandle& h) { return h.model->notes; },
          "What was decided where the file leaves something open, one sentence each.")
      .def_property_readonly("n_vocab", [](const ModelHandle& h) { return h.model->n_vocab; })
      .def_property_readonly("n_ctx_train", [](const ModelHandle& h) { return h.model->n_ctx; })
      .def_property_readonly("n_layers", [](const ModelHandle& h) { return h.model->n_layers; })
      .def_property_readonly("dim", [](const ModelHandle& h) { return h.model->dim; })
      .def_property_readonly("n_params", [](const ModelHandle& h) { return h.model->n_params; })
      .def_property_readonly(
          "weight_bytes", [](const ModelHandle& h) { return h.model->weight_bytes; }, "Packed, resident.")
      .def_property_readonly(
          "expert_memory",
          [](const ModelHandle& h) {
            return h.model->experts ? h.model->experts->layout().bytes(h.model->experts->n_slots()) : 0;
          },
          "Bytes that are allocated for streamed experts; 0: all are in memory, in weight_bytes.")
      .def_property_readonly(
          "expert_traffic",
          [](const ModelHandle& h) -> std::optional<ExpertTraffic> {
            if (!h.model->experts) return std::nullopt;
            return h.model->experts->traffic();
          },
          "What streaming experts has read so far; None where they are in memory.")
      .def_property_readonly(
          "expert_read_rate",
          [](const ModelHandle& h) {
            return h.model->experts ? h.model->experts->source().probed_rate() : 0;
          },
          "Bytes a second at which the file could be read when the model was loaded; 0: not measured.")
      .def_property_readonly(
          "experts_past_cache",
          [](const ModelHandle& h) { return h.model->experts && h.model->experts->source().past_cache(); },
          "Whether experts are read past the system's page cache.")
      .def_property_readonly(
          "decode_bytes", [](const ModelHandle& h) { return h.model->decode_bytes; },
          "Weight bytes that one decoded token reads, head included.")
      .def_property_readonly(
          "prefill_ops", [](const ModelHandle& h) { return h.model->prefill_ops; },
          "Two operations per multiply-add with weights of one prefilled token, head excluded.")
      .def(
          "kv_bytes_per_token",
          [](const ModelHandle& h, const std::string& type) {
            return KvLayout(h.model->decoder.kv_shapes(), kv_types(type)).token_bytes();
          },
          py::arg("kv_type") = "i16", "Bytes of keys and values that each token adds.");
  m.def(
      "architectures",
      [] {
        std::vector<std::string> names;
        for (const Architecture& a : architectures()) names.emplace_back(a.name);
        return names;
      },
      "The architectures that run, as general.architecture names them.");
}

}  // namespace pestle
