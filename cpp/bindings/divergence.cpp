// What is between two models' logits.
#include "runtime/divergence.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <stdexcept>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "core/cpu.h"

namespace py = pybind11;

namespace pestle {
namespace {

using Doubles = py::array_t<double>;
using Flags = py::array_t<bool>;

LogitRows rows_of(const Floats& logits, const Tokens& following) {
  if (logits.ndim() != 2 || logits.shape(1) == 0) throw std::invalid_argument("logits: a matrix is expected");
  if (following.ndim() != 1 || following.shape(0) != logits.shape(0))
    throw std::invalid_argument("following has " + std::to_string(following.size()) + " tokens, " +
                                std::to_string(logits.shape(0)) + " are expected, one for each row");
  for (py::ssize_t i = 0; i < following.size(); i++)
    if (following.data()[i] < 0 || following.data()[i] >= logits.shape(1))
      throw std::invalid_argument("token " + std::to_string(following.data()[i]) +
                                  " is not in the vocabulary of " + std::to_string(logits.shape(1)));
  return {logits.data(), logits.shape(0), logits.shape(1)};
}

std::span<const int32_t> tokens_of(const Tokens& tokens) { return {tokens.data(), size_t(tokens.size())}; }
std::span<double> span_of(Doubles& a) { return {a.mutable_data(), size_t(a.size())}; }

Doubles score_logits(const Floats& logits, const Tokens& following, int threads) {
  const LogitRows rows = rows_of(logits, following);
  Doubles loss(rows.n_rows);
  const std::span<double> out = span_of(loss);
  {
    const py::gil_scoped_release released;
    ThreadPool pool(threads > 0 ? threads : default_threads());
    score(rows, tokens_of(following), out, pool);
  }
  return loss;
}

std::tuple<Doubles, Doubles, Doubles, Flags> compare_logits(const Floats& reference, const Floats& logits,
                                                            const Tokens& following, int threads) {
  const LogitRows p = rows_of(reference, following), q = rows_of(logits, following);
  if (p.n_vocab != q.n_vocab)
    throw std::invalid_argument("the reference has " + std::to_string(p.n_vocab) +
                                " logits a row, the model " + std::to_string(q.n_vocab));
  Doubles reference_loss(q.n_rows), loss(q.n_rows), divergence(q.n_rows);
  Flags same_best(q.n_rows);
  static_assert(sizeof(bool) == sizeof(uint8_t));
  const Comparison out{span_of(reference_loss),
                       span_of(loss),
                       span_of(divergence),
                       {reinterpret_cast<uint8_t*>(same_best.mutable_data()), size_t(q.n_rows)}};
  {
    const py::gil_scoped_release released;
    ThreadPool pool(threads > 0 ? threads : default_threads());
    compare(p, q, tokens_of(following), out, pool);
  }
  return {reference_loss, loss, divergence, same_best};
}

}  // namespace

void bind_divergence(py::module_& m) {
  m.def(
      "score_logits", score_logits, py::arg("logits").noconvert(), py::arg("following").noconvert(),
      py::arg("threads") = 0,
      "float64 [rows]: -ln of the probability that each row of float32 [rows, n_vocab] gives to its token of "
      "`following`, int32 [rows]. Error: a logit is not finite.");
  m.def(
      "compare_logits", compare_logits, py::arg("reference").noconvert(), py::arg("logits").noconvert(),
      py::arg("following").noconvert(), py::arg("threads") = 0,
      "(reference_loss, loss, divergence: float64 [rows]; same_best: bool [rows]): score_logits of both, the "
      "Kullback-Leibler divergence of the logits from the reference, in nats, and whether the most likely "
      "token is the same.");
}

}  // namespace pestle
