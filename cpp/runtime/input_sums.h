// What an importance matrix is made of: for each weight, the sums of its inputs' squares.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "model/observer.h"

namespace pestle {

// Every column has a sum of its own, in doubles, to which the tokens' squares are added in their order:
// neither threads nor passes decide a bit.
class InputSums : public Observer {
 public:
  struct Sums {
    int columns;                   // of the tensor's rows
    std::vector<double> squares;   // [matrices][columns]
    std::vector<uint64_t> counts;  // [matrices] rows seen
  };
  explicit InputSums(ThreadPool& pool) : pool_(pool) {}
  void observe(const Matrix& weight, std::span<const MatrixInput> inputs) override;
  // By the names of the GGUF tensors; of those that have been used.
  const std::map<std::string, Sums>& sums() const { return sums_; }

 private:
  ThreadPool& pool_;
  std::map<std::string, Sums> sums_;
};

}  // namespace pestle
