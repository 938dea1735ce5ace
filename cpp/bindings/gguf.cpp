// GgufFile and GgufTensor: a GGUF file as Python sees it.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/path.h"
#include "gguf/file.h"

namespace py = pybind11;

namespace pestle {
namespace {

// Bytes that are not UTF-8 become lone surrogates: distinct texts stay distinct, and
// text.encode("utf-8", "surrogateescape") gives the bytes back.
py::str to_str(std::string_view text) {
  PyObject* made =
      PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), "surrogateescape");
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(made);
}

py::object element(const gguf::Value& value, uint64_t i) {
  if (const auto flag = value.flag(i)) return py::bool_(*flag);
  if (const auto integer = value.integer(i)) return py::int_(*integer);
  if (value.element == gguf::ValueType::kU64) {  // beyond int64
    uint64_t large;
    std::memcpy(&large, value.bytes.data() + i * sizeof(large), sizeof(large));
    return py::int_(large);
  }
  return py::float_(value.number(i).value());
}

py::object to_python(const gguf::Value& value) {
  if (const auto strings = value.strings()) {
    if (!value.is_array()) return to_str(strings->front());
    py::list list(strings->size());
    for (size_t i = 0; i < strings->size(); ++i) list[i] = to_str((*strings)[i]);
    return list;
  }
  if (!value.is_array()) return element(value, 0);
  py::list list(value.count);
  for (uint64_t i = 0; i < value.count; ++i) list[i] = element(value, i);
  return list;
}

gguf::File open(const PathArgument& path, bool damaged) {
  const py::gil_scoped_release released;
  return gguf::File::open(path.text, damaged ? gguf::Damage::told : gguf::Damage::refused);
}

std::span<const std::byte> bytes_of(const py::bytes& bytes) {
  const std::string_view view = bytes;
  return {reinterpret_cast<const std::byte*>(view.data()), view.size()};
}

gguf::File of_headers(const std::vector<std::tuple<std::string, py::bytes, uint64_t>>& shards) {
  if (shards.empty()) throw std::invalid_argument("shards is empty, expected at least one");
  std::vector<gguf::RemoteShard> remote;
  for (const auto& [path, beginning, size] : shards) remote.push_back({path, bytes_of(beginning), size});
  const py::gil_scoped_release released;
  return gguf::File::of_headers(remote);
}

std::pair<uint64_t, uint64_t> extent(const py::bytes& beginning, uint64_t file_size,
                                     const std::string& name) {
  const std::span<const std::byte> bytes = bytes_of(beginning);
  const py::gil_scoped_release released;
  const gguf::Extent found = gguf::extent_of(bytes, file_size, name);
  return {found.header, found.data};
}

py::typing::List<py::str> keys(const gguf::File& file) {
  py::typing::List<py::str> list;
  for (const gguf::Value& value : file.values()) list.append(to_str(value.key));
  return list;
}

py::object get(const gguf::File& file, const std::string& key, py::object absent) {
  const gguf::Value* value = file.find_value(key);
  return value != nullptr ? to_python(*value) : std::move(absent);
}

py::object get_item(const gguf::File& file, const std::string& key) {
  const gguf::Value* value = file.find_value(key);
  if (value == nullptr) throw py::key_error(key);
  return to_python(*value);
}

// Type and value as they stand in a file, so that another file can hold the same.
py::bytes encoded(const gguf::File& file, const std::string& key) {
  const gguf::Value* value = file.find_value(key);
  if (value == nullptr) throw py::key_error(key);
  std::string out;
  const auto put = [&out](auto number) { out.append(reinterpret_cast<const char*>(&number), sizeof number); };
  put(static_cast<uint32_t>(value->type));
  if (value->is_array()) {
    put(static_cast<uint32_t>(value->element));
    put(value->count);
  } else if (value->element == gguf::ValueType::kString) {
    put(static_cast<uint64_t>(value->bytes.size()));
  }
  out.append(reinterpret_cast<const char*>(value->bytes.data()), value->bytes.size());
  return py::bytes(out);
}

py::typing::List<py::str> paths(const gguf::File& file) {
  py::typing::List<py::str> list;
  for (const std::string& path : file.paths()) list.append(path_to_str(path));
  return list;
}

// Each keeps the file alive.
py::typing::List<gguf::Tensor> tensors(const py::object& self) {
  py::typing::List<gguf::Tensor> list;
  for (const gguf::Tensor& tensor : self.cast<const gguf::File&>().tensors())
    list.append(py::cast(&tensor, py::return_value_policy::reference_internal, self));
  return list;
}

py::array_t<uint8_t> read(const gguf::File& file, const std::string& name, uint64_t offset,
                          std::optional<uint64_t> size) {
  const gguf::Tensor* tensor = file.find(name);
  if (tensor == nullptr) throw py::key_error(name);
  file.require_whole();
  const uint64_t left = tensor->nbytes - std::min(offset, tensor->nbytes);
  const uint64_t wanted = size.value_or(left);
  if (offset > tensor->nbytes || wanted > left)
    throw py::index_error("tensor `" + name + "` has " + std::to_string(tensor->nbytes) + " bytes, not " +
                          std::to_string(wanted) + " at " + std::to_string(offset));
  py::array_t<uint8_t> out(static_cast<py::ssize_t>(wanted));
  const std::span bytes(reinterpret_cast<std::byte*>(out.mutable_data()), wanted);
  const py::gil_scoped_release released;
  file.read(*tensor, offset, bytes);
  file.check_unchanged();
  return out;
}

py::typing::Tuple<py::int_, py::ellipsis> shape(const gguf::Tensor& tensor) {
  py::tuple shape(tensor.n_dims);
  for (int i = 0; i < tensor.n_dims; ++i) shape[i] = tensor.ne[i];
  return shape;
}

}  // namespace

void bind_gguf(py::module_& module) {
  using gguf::File, gguf::Tensor;
  py::class_<Tensor>(module, "GgufTensor", "One tensor of a GGUF file.")
      .def_property_readonly("name", [](const Tensor& tensor) { return tensor.name; })
      .def_property_readonly(
          "type", [](const Tensor& tensor) { return gguf::type_info(tensor.type).name; },
          "The type as GGUF names it, such as \"Q4_K\".")
      .def_property_readonly("shape", &shape, "Elements, the contiguous dimension first.")
      .def_property_readonly(
          "offset", [](const Tensor& tensor) { return tensor.offset; },
          "Bytes from the start of its shard's file.")
      .def_property_readonly("nbytes", [](const Tensor& tensor) { return tensor.nbytes; })
      .def_property_readonly("shard", [](const Tensor& tensor) { return tensor.shard; }, "From 0.");

  py::class_<File>(
      module, "GgufFile",
      "A GGUF file with all its shards, open and checked. Its metadata is a copy; tensors are read "
      "when they are asked for.")
      .def(py::init(&open), py::arg("path"), py::kw_only(), py::arg("damaged") = false,
           "Opens the first or only shard and all others. FormatError: the content is wrong; "
           "UnsupportedError: "
           "it is of a version, byte order or type that is not read; Error: it cannot be opened, or is being "
           "written to. damaged: a file whose list of tensors or data is cut is opened too, and so is one "
           "without some of its shards; `damage` says which it is, and no tensor can be read.")
      .def_static(
          "of_headers", &of_headers, py::arg("shards"),
          "Of a file that is elsewhere: the path, the beginning, which holds the header, and the size "
          "in bytes of each of its shards. What the headers say is checked as it would be when the file "
          "were opened, and raises the same; reading a tensor is an Error.")
      .def_property_readonly("path", [](const File& file) { return path_to_str(file.path()); })
      .def_property_readonly("paths", &paths, "All shards.")
      .def_property_readonly("version", &File::version)
      .def_property_readonly("size", &File::size, "Bytes of all shards.")
      .def_property_readonly(
          "damage",
          [](const File& file) {
            return file.damage().empty() ? std::nullopt : std::optional(file.damage());
          },
          "What is wrong with a file that was opened with `damaged`; None: nothing.")
      .def("keys", &keys, "Metadata keys, in file order.")
      .def(
          "__contains__", [](const File& file, const std::string& key) { return file.has(key); },
          py::arg("key"))
      .def("__getitem__", &get_item, py::arg("key"),
           "The value as int, float, bool, str or a list of one of them, converted anew each time. Text that "
           "is "
           "not UTF-8 is decoded with \"surrogateescape\". KeyError when the key is absent.")
      .def("get", &get, py::arg("key"), py::arg("default") = py::none())
      .def("encoded", &encoded, py::arg("key"),
           "Type and value as they stand in the file, behind the key. KeyError when the key is absent.")
      .def_property_readonly("tensors", &tensors, "In file order, shard after shard.")
      .def("read", &read, py::arg("name"), py::arg("offset") = 0, py::arg("size") = py::none(),
           "`size` bytes of a tensor from `offset` on, or all that follow: uint8 [size], a copy. Parts of "
           "some "
           "megabytes keep memory bounded. KeyError: there is no such tensor; IndexError: it ends before. "
           "Error "
           "when the system refuses, or the file was cut or written to since it was opened.")
      .def("spare_cache", &File::spare_cache, py::call_guard<py::gil_scoped_release>(),
           "From now on reads leave nothing in the system's page cache.")
      .def("check_unchanged", &File::check_unchanged, py::call_guard<py::gil_scoped_release>(),
           "Error when a shard was cut or written to since it was opened, as far as its size and the time of "
           "its "
           "last change tell.");
  module.def(
      "gguf_extent", &extent, py::arg("beginning"), py::arg("file_size"), py::arg("name"),
      "(Bytes of the header of a GGUF file, where its last tensor ends), told from the file's beginning. "
      "Where that is cut off within the header, the first is more than it has: so many bytes, at least, "
      "tell more; and the second is 0. FormatError and UnsupportedError for what is wrong as far as it "
      "shows; `name` is what they call the file.");
}

}  // namespace pestle
