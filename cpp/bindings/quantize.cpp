// Rows of floats to GGUF's types and back, and the narrow floats of checkpoints to floats.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "core/cpu.h"
#include "core/error.h"
#include "quantize/baseline/dequantize.h"
#include "quantize/baseline/quantize.h"
#include "quantize/baseline/widen.h"

namespace py = pybind11;

namespace pestle {
namespace {

using Halves = py::array_t<uint16_t, py::array::c_style>;

gguf::Type known_type(const std::string& name) {
  if (const std::optional<gguf::Type> type = gguf::type_named(name)) return *type;
  throw UnsupportedError("type " + name + " is unknown");
}

ThreadPool pool_of(int threads) { return ThreadPool(threads > 0 ? threads : default_threads()); }

void expect(const char* name, py::ssize_t found, int64_t expected, const char* unit) {
  if (found != expected)
    throw std::invalid_argument(std::string(name) + " has " + std::to_string(found) + " " + unit + ", " +
                                std::to_string(expected) + " are expected");
}

void quantize_rows(const std::string& type_name, const Floats& rows, Bytes& out,
                   const std::optional<Floats>& importance, int threads) {
  if (rows.ndim() != 2) throw std::invalid_argument("rows: a matrix is expected");
  const gguf::Type type = known_type(type_name);
  const quantize::Matrix matrix = {rows.data(), rows.shape(0), rows.shape(1)};
  expect("out", out.size(), matrix.rows * quantize::row_bytes(type, matrix.columns), "bytes");
  if (importance) expect("importance", importance->size(), matrix.columns, "columns");
  const float* weights = importance ? importance->data() : nullptr;
  uint8_t* bytes = out.mutable_data();
  const py::gil_scoped_release release;
  ThreadPool pool = pool_of(threads);
  quantize::quantize_rows(type, matrix, weights, bytes, pool);
}

void dequantize_rows(const std::string& type_name, const Bytes& quantized, Floats& out, int threads) {
  const gguf::Type type = known_type(type_name);
  const gguf::TypeInfo& info = gguf::type_info(type);
  if (quantized.size() % info.block_bytes != 0)
    throw std::invalid_argument("quantized has " + std::to_string(quantized.size()) + " bytes, blocks of " +
                                type_name + " have " + std::to_string(info.block_bytes));
  const int64_t blocks = quantized.size() / info.block_bytes;
  expect("out", out.size(), blocks * info.block_elems, "numbers");
  const uint8_t* from = quantized.data();
  float* to = out.mutable_data();
  const py::gil_scoped_release release;
  ThreadPool pool = pool_of(threads);
  quantize::dequantize_blocks(type, from, blocks, to, pool);
}

void widen(const std::string& type_name, const Halves& source, Floats& out, int threads) {
  expect("out", out.size(), source.size(), "numbers");
  const gguf::Type type = known_type(type_name);
  if (type != gguf::Type::F16 && type != gguf::Type::BF16)
    throw UnsupportedError(type_name + " does not have 16 bits; F16 and BF16 do");
  const uint16_t* from = source.data();
  float* to = out.mutable_data();
  const py::gil_scoped_release release;
  ThreadPool pool = pool_of(threads);
  (type == gguf::Type::F16 ? quantize::widen_f16 : quantize::widen_bf16)(from, source.size(), to, pool);
}

void widen_fp8(const Bytes& codes, const Floats& scales, Floats& out, int threads) {
  if (codes.ndim() != 2 || scales.ndim() != 2)
    throw std::invalid_argument("codes and scales: matrices are expected");
  const auto blocks = [](py::ssize_t n) { return (n + quantize::kFp8Block - 1) / quantize::kFp8Block; };
  expect("scales", scales.shape(0), blocks(codes.shape(0)), "rows");
  expect("scales", scales.shape(1), blocks(codes.shape(1)), "columns");
  expect("out", out.size(), codes.size(), "numbers");
  const quantize::Fp8 matrix = {codes.data(), scales.data(), codes.shape(0), codes.shape(1)};
  float* to = out.mutable_data();
  const py::gil_scoped_release release;
  ThreadPool pool = pool_of(threads);
  quantize::widen_fp8(matrix, to, pool);
}

}  // namespace

void bind_quantize(py::module_& m) {
  m.def("quantize_rows", quantize_rows, py::arg("type").none(false), py::arg("rows").noconvert(),
        py::arg("out").noconvert(), py::arg("importance").noconvert() = py::none(), py::arg("threads") = 0,
        "Writes float32 [rows, columns] as blocks of a GGUF type into `out`, uint8; importance: float32 "
        "[columns]. "
        "Raises QuantizeError, UnsupportedError, and ValueError for sizes that do not match.");
  m.def(
      "quantized_row_bytes",
      [](const std::string& type, int64_t columns) { return quantize::row_bytes(known_type(type), columns); },
      py::arg("type"), py::arg("columns"),
      "Bytes of a row; UnsupportedError where it is not whole blocks, or nothing is quantized to the type.");
  m.def("dequantize_rows", dequantize_rows, py::arg("type").none(false), py::arg("quantized").noconvert(),
        py::arg("out").noconvert(), py::arg("threads") = 0,
        "Blocks of a GGUF type, uint8, to float32, as readers of a file compute them. ValueError for sizes "
        "that do "
        "not match, UnsupportedError for a type that Pestle does not run.");
  m.def("widen", widen, py::arg("type"), py::arg("source").noconvert(), py::arg("out").noconvert(),
        py::arg("threads") = 0, "F16 or BF16, as uint16, to float32, exactly.");
  m.def("widen_fp8", widen_fp8, py::arg("codes").noconvert(), py::arg("scales").noconvert(),
        py::arg("out").noconvert(), py::arg("threads") = 0,
        "E4M3 codes, uint8 [rows, columns], times the float32 scale of each 128 x 128 block, to float32.");
}

}  // namespace pestle
