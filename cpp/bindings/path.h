// Paths between Python and the core: str or os.PathLike[str] in, str out.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>
#include <string>

namespace pestle {

// As the core takes it: UTF-8 on Windows, the file system's bytes elsewhere.
struct PathArgument { std::string text; };

inline pybind11::str path_to_str(const std::string& path) {
  PyObject* made = PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<pybind11::ssize_t>(path.size()));
  if (made == nullptr) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::str>(made);
}

}  // namespace pestle

// pybind11's own caster for paths has a type name that mypy --strict refuses (os.PathLike of nothing).
template <>
struct pybind11::detail::type_caster<pestle::PathArgument> {
  PYBIND11_TYPE_CASTER(pestle::PathArgument, const_name("str | os.PathLike[str]"));

  bool load(handle source, bool convert) {
    make_caster<std::filesystem::path> path;
    if (!path.load(source, convert)) return false;
    const std::u8string utf8 = cast_op<std::filesystem::path&>(path).u8string();
    value.text.assign(utf8.begin(), utf8.end());
    return true;
  }
};
