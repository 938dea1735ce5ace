#include "bindings/stepping.h"

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>

#include "bindings/arrays.h"
#include "bindings/sequence.h"

namespace py = pybind11;

namespace pestle {
namespace {

// An entry of a tuple; TypeError says what it should have been.
template <typename T>
T taken(const py::handle& value, const char* expected) {
  try {
    return value.cast<T>();
  } catch (const py::cast_error&) {
    throw py::type_error(py::str(py::type::of(value).attr("__name__")).cast<std::string>() +
                         " given, expected " + expected);
  }
}

LogitsOf logits_of(const std::string& name) {
  if (name == "last") return LogitsOf::last;
  if (name == "all") return LogitsOf::all;
  if (name == "none") return LogitsOf::none;
  throw std::invalid_argument("logits is \"" + name + "\", expected \"last\", \"all\" or \"none\"");
}

// What Python hands over for a choice, kept while the core works on it.
struct HeldChoice {
  explicit HeldChoice(const py::tuple& entry)
      : sampler(taken<std::shared_ptr<Sampler>>(entry[0], "a Sampler")),
        handle(taken<std::shared_ptr<SequenceHandle>>(entry[1], "a Sequence")),
        draft(taken<std::vector<int32_t>>(entry[3], "a list of tokens")),
        masks(taken<std::optional<std::vector<Mask>>>(entry[5], "a list of masks or None")) {
    if (!sampler || !handle) throw py::type_error("a sampler or a sequence is None");
    choice = {sampler.get(),
              &handle->sequence,
              taken<int>(entry[2], "a row"),
              draft,
              taken<int>(entry[4], "a number of log probabilities"),
              {},
              taken<std::optional<int32_t>>(entry[6], "a token or None")};
    if (!masks) return;
    choice.masks.emplace();
    for (const Mask& mask : *masks) {
      if (mask.size() == 0) throw std::invalid_argument("a mask is empty");
      choice.masks->push_back({mask.data(), static_cast<size_t>(mask.size())});
    }
  }
  std::shared_ptr<Sampler> sampler;
  std::shared_ptr<SequenceHandle> handle;
  std::vector<int32_t> draft;
  std::optional<std::vector<Mask>> masks;
  Choice choice;
};

// What raising it would raise, through the translators that pybind11 knows.
py::object as_exception(const std::exception_ptr& error) {
  try {
    py::cpp_function([&error] { std::rethrow_exception(error); })();
  } catch (const py::error_already_set& raised) { return raised.value(); }
  return py::none();
}

}  // namespace

int step(Engine& engine, const std::vector<AnyTuple>& batch, const std::string& which) {
  std::vector<std::vector<int32_t>> tokens;
  std::vector<Input> inputs;
  tokens.reserve(batch.size());
  for (const AnyTuple& entry : batch) {
    if (entry.size() != 2 && entry.size() != 3)
      throw py::type_error("an entry of the batch is (sequence, tokens) or (sequence, tokens, logits)");
    const auto handle = taken<std::shared_ptr<SequenceHandle>>(entry[0], "a Sequence");
    if (!handle) throw py::type_error("a sequence is None");
    tokens.push_back(taken<std::vector<int32_t>>(entry[1], "a list of tokens"));
    Input& input = inputs.emplace_back(Input{&handle->sequence, tokens.back(), LogitsOf::none});
    if (entry.size() == 3 && py::isinstance<Pooler>(entry[2]))
      input.pooler = entry[2].cast<Pooler*>();
    else
      input.logits = logits_of(entry.size() == 3
                                   ? taken<std::string>(entry[2], "\"last\", \"all\", \"none\" or a Pooler")
                                   : which);
  }
  // Signals are handled on the main thread alone, which may wait long for experts.
  std::function<void()> poll;
  if (engine.model().experts &&
      py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>() ==
          PyThread_get_thread_ident())
    poll = [] {
      const py::gil_scoped_acquire acquired;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    };
  const py::gil_scoped_release released;
  engine.step(inputs, poll);
  return engine.logits_rows();
}

py::typing::List<ChosenOrRaised> choose(Engine& engine, const std::vector<AnyTuple>& entries) {
  std::list<HeldChoice> held;  // a list: each choice has spans into its own
  std::vector<Choice> choices;
  for (const AnyTuple& entry : entries) {
    if (entry.size() != 7)
      throw py::type_error("a choice is (sampler, sequence, row, draft, n_logprobs, masks, forced)");
    choices.push_back(held.emplace_back(entry).choice);
  }
  std::vector<Chosen> chosen;
  {
    const py::gil_scoped_release released;
    chosen = engine.choose(choices);
  }
  py::typing::List<ChosenOrRaised> out;
  for (Chosen& each : chosen) {
    if (each.error)
      out.append(as_exception(each.error));
    else
      out.append(py::cast(std::move(each.tokens)));
  }
  return out;
}

}  // namespace pestle
