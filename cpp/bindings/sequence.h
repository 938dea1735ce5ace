// A sequence in Python's hands.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <vector>

#include "runtime/engine.h"

namespace pestle {

// Keeps its engine alive, and no other sequence. Waits for a step in progress, which reads the sequence.
struct SequenceHandle {
  SequenceHandle(std::shared_ptr<Engine> e, Sequence s) : engine(std::move(e)), sequence(std::move(s)) {}
  std::shared_ptr<Engine> engine;
  Sequence sequence;

  int n_tokens() const {
    const pybind11::gil_scoped_release released;
    const auto lock = engine->lock();
    return sequence.n_tokens();
  }
  std::vector<int32_t> tokens() const {
    const pybind11::gil_scoped_release released;
    const auto lock = engine->lock();
    return {sequence.tokens().begin(), sequence.tokens().end()};
  }
  int reusable(int n) const {
    const pybind11::gil_scoped_release released;
    const auto lock = engine->lock();
    return sequence.reusable(n);
  }
  size_t growth(int n) const {
    const pybind11::gil_scoped_release released;
    const auto lock = engine->lock();
    return sequence.growth(n);
  }
  std::shared_ptr<SequenceHandle> fork(int n) const {
    const pybind11::gil_scoped_release released;
    const auto lock = engine->lock();
    return std::make_shared<SequenceHandle>(engine, sequence.fork(n));
  }
  void truncate(int n) {
    const pybind11::gil_scoped_release released;
    const auto lock = engine->lock();
    sequence.truncate(n);
  }
};

}  // namespace pestle
