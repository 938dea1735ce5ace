// The submodule `kernels`: the active kernel set by itself, for tests and for tools/bench_kernels.
#include <pybind11/stl.h>

#include <chrono>
#include <stdexcept>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/handles.h"
#include "core/thread_pool.h"
#include "kernels/baseline/format_of.h"
#include "kernels/baseline/pack.h"
#include "model/linear.h"

namespace py = pybind11;

namespace pestle {
namespace {

Format format_named(const std::string& name) {
  if (const std::optional<Format> format = format_of(name)) return *format;
  throw std::invalid_argument("format " + name + " is unknown");
}

Activation activation_named(const std::string& name) {
  if (name == "silu") return Activation::silu;
  if (name == "gelu_tanh") return Activation::gelu_tanh;
  if (name == "swiglu_oai") return Activation::swiglu_oai;
  throw std::invalid_argument("activation " + name + " is unknown");
}

// A weight matrix packed from GGUF rows: uint8 [rows, bytes of a row].
struct PackedMatrix {
  PackedMatrix(const std::string& format, const AnyBytes& rows, int columns)
      : matrix{"", format_named(format), static_cast<int>(rows.shape(0)), columns, columns < kWideColumns} {
    const FormatInfo& f = info(matrix.format);
    if (rows.ndim() != 2 || rows.shape(0) < 1 || columns < 1)
      throw std::invalid_argument("a matrix needs rows and columns");
    if (columns % f.columns != 0 ||
        rows.shape(1) != py::ssize_t(columns / f.columns) * f.tile_bytes / kTileRows)
      throw std::invalid_argument("a row of " + format + " does not have this many bytes");
    memory = Buffer(matrix.bytes());
    matrix.tiles = memory.data();
    for (int t = 0; t < 2 * matrix.strips(); t++) {
      const std::byte* source[kTileRows];
      for (int r = 0; r < kTileRows; r++) {
        const int row = t * kTileRows + r;
        source[r] = row < matrix.rows ? reinterpret_cast<const std::byte*>(rows.data(row, 0)) : nullptr;
      }
      pack_tiles(matrix.format, source, columns, memory.data() + t * matrix.tile_row_bytes());
    }
  }
  Matrix matrix;
  Buffer memory;
};

AnyFloats unpack(const PackedMatrix& p) {
  AnyFloats out({p.matrix.rows, p.matrix.columns});
  for (int r = 0; r < p.matrix.rows; r++)
    unpack_row(p.matrix.format, p.matrix.tiles + r / kTileRows * p.matrix.tile_row_bytes(), p.matrix.columns,
               r % kTileRows, out.mutable_data(r, 0));
  return out;
}

int most_direct_rows(const PackedMatrix& p) {
  const KernelTable& k = kernels();
  const PanelKind& kind = k.panel[p.matrix.wide][static_cast<int>(p.matrix.format)];
  return kind.scales == 0 ? std::min(k.most_direct_rows, kind.max_rows) : k.most_direct_rows;
}

// The active kernels with another choice between the two ways to multiply; as it is where direct_rows < 0.
KernelTable with_direct_rows(const PackedMatrix& p, int direct_rows) {
  KernelTable table = kernels();
  if (direct_rows > most_direct_rows(p))
    throw std::invalid_argument("direct_rows is " + std::to_string(direct_rows) + ", expected at most " +
                                std::to_string(most_direct_rows(p)));
  if (direct_rows >= 0) table.direct_rows[p.matrix.wide][static_cast<int>(p.matrix.format)] = direct_rows;
  return table;
}

// x [m, columns] -> y [m, rows], and the seconds that one of `repeats` products took.
py::tuple multiply_rows(const PackedMatrix& p, const AnyFloats& x, int threads, int repeats,
                        int direct_rows) {
  if (x.ndim() != 2 || x.shape(1) != p.matrix.columns)
    throw std::invalid_argument("x does not have the matrix's columns");
  ThreadPool pool(threads);
  const KernelTable table = with_direct_rows(p, direct_rows);
  Workspace ws(pool, table.scratch_bytes(p.matrix.format), table);
  Rows in = ws.rows(static_cast<int>(x.shape(0)), p.matrix.columns), out = ws.rows(in.n_rows, p.matrix.rows);
  for (int i = 0; i < in.n_rows; i++) std::copy_n(x.data(i, 0), in.width, in.row(i));
  const auto start = std::chrono::steady_clock::now();
  const Linear linear{&p.matrix};
  for (int i = 0; i < repeats; i++) {
    const Arena::Scope scope(ws.arena);
    Activations a(ws, in);
    multiply(ws, a, {{linear, out}});
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / repeats;
  AnyFloats y({in.n_rows, p.matrix.rows});
  for (int i = 0; i < in.n_rows; i++) std::copy_n(out.row(i), p.matrix.rows, y.mutable_data(i, 0));
  return py::make_tuple(y, seconds);
}

AnyFloats of_logits(void (*KernelTable::*kernel)(float*, int), const AnyFloats& x) {
  AnyFloats y(x.size());
  std::copy_n(x.data(), x.size(), y.mutable_data());
  (kernels().*kernel)(y.mutable_data(), static_cast<int>(x.size()));
  return y;
}

}  // namespace

void bind_kernels(py::module_& parent) {
  py::module_ m =
      parent.def_submodule("kernels", "The active kernel set by itself, for tests and benchmarks.");
  m.attr("FORMATS") = [] {
    py::list names;
    for (const FormatInfo& f : kFormatInfo) names.append(f.name);
    return py::tuple(names);
  }();
  py::class_<PackedMatrix>(m, "PackedMatrix",
                           "A weight matrix in tiles, from its GGUF rows: uint8 [rows, bytes of a row].")
      .def(py::init<const std::string&, const AnyBytes&, int>(), py::arg("format"), py::arg("rows"),
           py::arg("columns"))
      .def_property_readonly("most_direct_rows", &most_direct_rows, "What direct_rows may be at most.")
      .def_property_readonly(
          "direct_rows",
          [](const PackedMatrix& p) {
            return kernels().direct_rows[p.matrix.wide][static_cast<int>(p.matrix.format)];
          },
          "Up to how many rows of activations are multiplied with weights that are decoded in registers.")
      .def_property_readonly("nbytes", [](const PackedMatrix& p) { return p.matrix.bytes(); })
      .def("unpack", &unpack, "float32 [rows, columns], equal to gguf's dequantization.")
      .def(
          "multiply", &multiply_rows, py::arg("x"), py::arg("threads") = 1, py::arg("repeats") = 1,
          py::arg("direct_rows") = -1,
          "(x @ W.T, seconds of one product, quantizing x included). Up to direct_rows rows of x are "
          "multiplied with weights that are decoded in registers, more with decoded strips; the bits are the "
          "same. -1: as many as are chosen for the format and the kernel set. ValueError for more than "
          "most_direct_rows.");
  m.def(
      "rms_norm",
      [](const AnyFloats& x, const AnyFloats& w, float eps) {
        if (x.size() != w.size()) throw std::invalid_argument("x and w differ in size");
        AnyFloats y(x.size());
        kernels().rms_norm(x.data(), w.data(), y.mutable_data(), static_cast<int>(x.size()), eps);
        return y;
      },
      py::arg("x"), py::arg("w"), py::arg("eps"));
  m.def(
      "gate_mul",
      [](const std::string& activation, const AnyFloats& gate, const AnyFloats& up) {
        if (gate.size() != up.size()) throw std::invalid_argument("gate and up differ in size");
        const int n = static_cast<int>(gate.size()), width = padded(n);
        std::vector<float> g(width), u(width);
        std::copy_n(gate.data(), n, g.begin());
        std::copy_n(up.data(), n, u.begin());
        kernels().gate_mul(activation_named(activation), g.data(), u.data(), width);
        AnyFloats y(n);
        std::copy_n(g.begin(), n, y.mutable_data());
        return y;
      },
      py::arg("activation"), py::arg("gate"), py::arg("up"));
  m.def("softmax", [](const AnyFloats& x) { return of_logits(&KernelTable::softmax, x); }, py::arg("x"));
  m.def("sigmoid", [](const AnyFloats& x) { return of_logits(&KernelTable::sigmoid, x); }, py::arg("x"));
  bind_kv_pages(m);
}

}  // namespace pestle
