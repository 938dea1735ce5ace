// Sampler and Sampled.
#include "runtime/sampler.h"

#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "runtime/engine.h"

namespace py = pybind11;

namespace pestle {
namespace {}

void bind_sampled(py::module_& m) {
  py::class_<Sampled>(m, "Sampled",
                      "A token and, where asked for, log probabilities of the model's own distribution.")
      .def_readonly("token", &Sampled::token)
      .def_readonly("logprob", &Sampled::logprob, "NaN unless n_logprobs > 0.")
      .def_readonly("top", &Sampled::top, "(token, logprob), most likely first.");

  py::class_<Scored>(m, "Scored", "What the model itself thinks of a token.")
      .def_readonly("logprob", &Scored::logprob)
      .def_readonly("greedy", &Scored::greedy, "Whether it is the most likely token there.")
      .def_readonly("top", &Scored::top, "(token, logprob), most likely first.");
}

void bind_sampler(py::module_& m) {
  py::class_<Sampler, std::shared_ptr<Sampler>>(
      m, "Sampler",
      "Turns logits into a token. Order: mask, bias, penalties, top-k, top-p, min-p, temperature, draw.")
      .def(py::init([](double temperature, int top_k, double top_p, double min_p, double repeat_penalty,
                       int repeat_last_n, double frequency_penalty, double presence_penalty, uint64_t seed,
                       const std::optional<std::map<int32_t, float>>& logit_bias) {
             SamplerOptions o{
                 temperature,      top_k, top_p, min_p, repeat_penalty, repeat_last_n, frequency_penalty,
                 presence_penalty, seed,  {}};
             if (logit_bias) o.logit_bias.assign(logit_bias->begin(), logit_bias->end());
             return std::make_shared<Sampler>(std::move(o));
           }),
           py::kw_only(), py::arg("temperature") = 0.8, py::arg("top_k") = 40, py::arg("top_p") = 0.95,
           py::arg("min_p") = 0.05, py::arg("repeat_penalty") = 1.0, py::arg("repeat_last_n") = 64,
           py::arg("frequency_penalty") = 0.0, py::arg("presence_penalty") = 0.0, py::arg("seed") = 0,
           py::arg("logit_bias") = py::none(),
           "temperature 0 takes the most likely token. ValueError names an option out of range.")
      .def(
          "sample",
          [](Sampler& s, const Engine& engine, int row, const std::vector<int32_t>& history, int n_logprobs,
             const std::optional<Mask>& mask) {
            std::span<const uint32_t> words;
            if (mask) words = {mask->data(), static_cast<size_t>(mask->size())};
            if (mask && words.empty()) throw std::invalid_argument("the mask is empty");
            const py::gil_scoped_release released;
            const auto lock = engine.lock();
            return s.sample(engine.logits(row), history, n_logprobs, words);
          },
          py::arg("engine"), py::arg("row"), py::arg("history"), py::arg("n_logprobs") = 0,
          py::arg("mask") = py::none(),
          "Samples from one row of the engine's last logits after a text that need not be a sequence's; "
          "`Engine.choose` is\n"
          "for those. The draw depends on the seed and len(history) "
          "alone.\n"
          "mask: uint32 [ceil(n_vocab / 32)]; token t may be chosen if bit t % 32 of word t / 32 is set. Log "
          "probabilities\n"
          "are those without it. ValueError for another size, Error for one that allows no token.");
}

}  // namespace pestle
