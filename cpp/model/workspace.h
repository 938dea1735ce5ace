// What a forward pass works with besides weights: kernels, threads and scratch memory.
#pragma once

#include <vector>

#include "core/arena.h"
#include "core/interruption.h"
#include "core/thread_pool.h"
#include "kernels/table.h"
#include "model/observer.h"
#include "model/rows.h"

namespace pestle {

class Workspace {
 public:
  // scratch_bytes: per thread, the largest that any kernel asks for.
  Workspace(ThreadPool& pool, size_t scratch_bytes, const KernelTable& table = pestle::kernels())
      : pool(pool), kernels(table) {
    for (int i = 0; i < pool.threads(); i++) scratch_.emplace_back(scratch_bytes);
  }
  // What it takes with a pass of so many bytes.
  static size_t committed(size_t pass_bytes, size_t scratch_bytes, int threads) {
    return Buffer::committed(pass_bytes) + size_t(threads) * Buffer::committed(scratch_bytes);
  }
  size_t committed() const {
    return committed(arena.most(), scratch_.empty() ? 0 : scratch_[0].size(), int(scratch_.size()));
  }
  Rows rows(int n, int width) {
    PESTLE_ASSUME(n >= 0 && width > 0);
    const size_t stride = static_cast<size_t>(padded(width));
    return {arena.take<float>(stride * n), n, width, stride};
  }
  char* scratch(int thread) const {
    PESTLE_ASSUME(thread >= 0 && size_t(thread) < scratch_.size());
    return scratch_[size_t(thread)].data();
  }

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
  Interruption interruption;     // asked for between layers, and while reads are waited for

 private:
  std::vector<Buffer> scratch_;
};

}  // namespace pestle
