// What Python hands over for a step of the engine and for the choice after it, and what it gets back.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <string>
#include <vector>

#include "runtime/engine.h"

namespace pestle {
// An exception that is handed over, not raised.
struct Raised : pybind11::object { using pybind11::object::object; };
}  // namespace pestle

template <>
struct pybind11::detail::handle_type_name<pestle::Raised> {
  static constexpr auto name = const_name("BaseException");
};

namespace pestle {

using AnyTuple = pybind11::typing::Tuple<pybind11::object, pybind11::ellipsis>;
using ChosenOrRaised = pybind11::typing::Union<pybind11::typing::List<Sampled>, Raised>;

// The batch's entries: (sequence, tokens) or (sequence, tokens, logits); `which` for those that do not say.
int step(Engine& engine, const std::vector<AnyTuple>& batch, const std::string& which);
// Entries: (sampler, sequence, row, draft, n_logprobs, masks, forced).
pybind11::typing::List<ChosenOrRaised> choose(Engine& engine, const std::vector<AnyTuple>& entries);

}  // namespace pestle
