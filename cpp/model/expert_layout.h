// How experts lie in memory that are read from the file when tokens ask for them (docs/streaming.md): a pure
// function of the model's shapes, so that a plan made from a header equals what is allocated, to the byte.
#pragma once

#include <cstddef>
#include <vector>

#include "core/input_file.h"
#include "core/read_buffers.h"

namespace pestle {

struct Decoder;
struct Matrix;

// Reads at once. Disks reach their rate with several; more gain nothing.
constexpr int kExpertReads = 4;
// Threads that read and pack: others pack meanwhile.
constexpr int kExpertReaders = kExpertReads + 2;
// What a reader asks for at once, at most, unless 16 rows are more: with the pages around it, the buffers of
// two readers are a huge page.
constexpr size_t kExpertReadBytes = (size_t(1) << 20) - 2 * kReadAlignment;

struct ExpertLayout {
  // Where the parts of one expert stand in its slot. A layer without experts has n_experts 0.
  struct Layer {
    int n_experts = 0, top_k = 0;
    size_t up_at = 0, down_at = 0;  // gate stands at 0
    size_t bytes = 0;               // of one expert, read for each miss
  };
  std::vector<Layer> layers;  // of the decoder's, all of them
  int n_experts = 0;          // of all layers
  int cycle = 0;              // experts that one token asks for, in all layers
  int min_slots = 0;          // one token's experts of one layer; 0: the model has no experts
  size_t slot_bytes = 0;      // of every slot: the largest expert, in whole pages
  size_t reader_bytes = 0;    // of every reader's buffer

  static ExpertLayout of(const Decoder& decoder);

  // All that is allocated for so many slots.
  size_t bytes(int n_slots) const {
    return slot_bytes * size_t(n_slots) + ReadBuffers::bytes(kExpertReaders, reader_bytes);
  }
  // The slots that fit into so many bytes; never more than there are experts, and 0 where fewer than
  // min_slots fit.
  int slots(size_t budget) const;
};

// Rows of a tile that a reader takes at once from one of the matrix' experts: its tile rows in equal parts.
int tile_rows_a_read(const Matrix& matrix);

}  // namespace pestle
