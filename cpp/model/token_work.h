// What a token asks of a machine, told from a file's header alone: the products that it goes through, and the
// attention of each layer.
#pragma once

#include <string>
#include <vector>

#include "gguf/file.h"
#include "model/attend.h"
#include "model/matrix.h"

namespace pestle {

struct ProductWork {
  Matrix matrix;      // without its tiles: all that Linear::w says
  int per_token = 1;  // of its `count` matrices, how many a token meets
  bool head = false;  // only rows whose logits are wanted
};

struct TokenWork {
  int n_layers, dim;
  std::vector<ProductWork> products;       // in the order in which a token meets them, the head last
  std::vector<CachedAttention> attention;  // of each layer; their sinks are null
  // Throws as loading would, but for what only the weights themselves can show.
  static TokenWork of(const gguf::File& file);
};

}  // namespace pestle
