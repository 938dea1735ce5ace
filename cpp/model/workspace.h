// What a forward pass works with besides weights: kernels, threads and scratch memory.
#pragma once

#include <vector>

#include "core/arena.h"
#include "core/thread_pool.h"
#include "kernels/table.h"
#include "model/observer.h"
#include "model/rows.h"

namespace pestle {

class Workspace {
 public:
  // scratch_bytes: per thread, the largest that any kernel asks for.
  Workspace(ThreadPool& pool, size_t scratch_bytes) : pool(pool), kernels(pestle::kernels()) {
    for (int i = 0; i < pool.threads(); i++) scratch_.emplace_back(scratch_bytes);
  }
  Rows rows(int n, int width) {
    const size_t stride = static_cast<size_t>(padded(width));
    return {arena.take<float>(stride * n), n, width, stride};
  }
  char* scratch(int thread) const { return scratch_[thread].data(); }

  // body(row, thread) for every row; a single row runs on the caller, who saves a barrier.
  template <class Body>
  void for_rows(int n, const Body& body) {
    pool.run(n, 1, [&](int begin, int end, int thread) {
      for (int i = begin; i < end; i++) body(i, thread);
    });
  }

  Arena arena;
  ThreadPool& pool;
  const KernelTable& kernels;
  Observer* observer = nullptr;  // of the inputs of products with weights; null: nobody listens

 private:
  std::vector<Buffer> scratch_;
};

}  // namespace pestle
