// What several bindings share.
#pragma once

#include <memory>
#include <string>

#include "kernels/table.h"
#include "model/model.h"

namespace pestle {

struct ModelHandle { std::shared_ptr<const Model> model; };

// What keys and values take.
struct KvMemory {
  size_t bytes_per_token, window_bytes;
  static KvMemory of(const KvLayout& kv, int n_ctx, int pass) {
    return {kv.token_bytes(), kv.window_bytes(n_ctx, pass)};
  }
};

// "q8_0" for keys and values, or "q8_0/f16"; std::invalid_argument for anything else.
KvTypes kv_types(const std::string& name);

}  // namespace pestle
