// Where experts are read from: their tensors in the file, which stays open, and the way that is fastest.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "gguf/file.h"
#include "model/expert_layout.h"
#include "model/packing.h"

namespace pestle {

struct Experts;

class ExpertSource {
 public:
  // Error when the file has been replaced. `jobs`: of the experts' matrices.
  ExpertSource(const gguf::File& file, std::vector<PackJob> jobs);
  ExpertSource(const ExpertSource&) = delete;

  const PackJob& job(const Matrix* matrix) const;
  // Reads what a piece is made of, into `buffer`, which has ExpertLayout::reader_bytes: where it stands
  // there. Error, which names the file, the tensor and the expert, when the system refuses or the file has
  // changed since it was opened.
  const std::byte* read(const PackPiece& piece, std::span<std::byte> buffer) const;
  // Packs what was read.
  void pack(const PackPiece& piece, const std::byte* bytes, char* out) const {
    pack_piece(piece, bytes, file_name_, out);
  }

  bool past_cache() const { return past_cache_; }
  // Bytes a second at kExpertReads reads of kExpertReadBytes at once; 0: there is too little to measure.
  double probed_rate() const { return probed_rate_; }

 private:
  void choose_way(bool spares_cache);
  double rate(const std::vector<InputFile>& files, int round, const ReadBuffers& buffers) const;

  std::deque<std::string> names_;
  std::deque<gguf::Tensor> tensors_;
  std::vector<PackJob> jobs_;
  std::string file_name_;
  std::vector<InputFile> files_;  // of each shard
  bool past_cache_ = false;
  double probed_rate_ = 0;
};

}  // namespace pestle
