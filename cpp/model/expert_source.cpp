#include "model/expert_source.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "core/error.h"
#include "core/read_rate.h"

namespace pestle {
namespace {

// The ways take turns, because others use the disk too; a round is so many reads, and not longer than that.
constexpr int kRounds = 6, kSamples = 24;
constexpr auto kLongestRound = std::chrono::milliseconds(60);
// Reads through the page cache push out what others keep there, so they must be clearly faster in every
// round.
constexpr double kClearly = 1.1;

std::optional<std::vector<InputFile>> past_cache(const std::vector<InputFile>& files) {
  std::vector<InputFile> found;
  for (const InputFile& file : files) {
    std::optional<InputFile> again = file.past_cache();
    if (!again) return std::nullopt;
    found.push_back(std::move(*again));
  }
  return found;
}

}  // namespace

ExpertSource::ExpertSource(const gguf::File& file, std::vector<PackJob> jobs)
    : jobs_(std::move(jobs)), file_name_(file.name()) {
  for (PackJob& job : jobs_) {
    gguf::Tensor& own = tensors_.emplace_back(*job.tensor);
    own.name = names_.emplace_back(own.name);
    job.tensor = &own;
    job.at = 0;
  }
  for (const InputFile& shard : file.shards()) files_.push_back(shard.again());
  choose_way(file.spares_cache());
}

const PackJob& ExpertSource::job(const Matrix* matrix) const {
  return *std::find_if(jobs_.begin(), jobs_.end(), [&](const PackJob& j) { return j.matrix == matrix; });
}

const std::byte* ExpertSource::read(const PackPiece& piece, std::span<std::byte> buffer) const {
  const gguf::Tensor& tensor = *piece.job->tensor;
  const InputFile& file = files_[size_t(tensor.shard)];
  const SourceBytes source = source_of(piece);
  try {
    const std::byte* bytes = file.read_pages(tensor.offset + source.offset, source.size, buffer);
    file.check_unchanged();
    return bytes;
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + ": tensor `" + std::string(tensor.name) + "`, expert " +
                std::to_string(piece.matrix));
  }
}

void ExpertSource::choose_way(bool spares_cache) {
  std::optional<std::vector<InputFile>> direct = pestle::past_cache(files_);
  double direct_rate = 0, cached_rate = 0;
  bool is_clear = true;
  const ReadBuffers buffers(kExpertReads, kExpertReadBytes + 2 * kReadAlignment);
  for (int round = 0; round < kRounds; round += 2) {
    double rates[2] = {};
    if (direct) try {
        rates[0] = rate(*direct, round, buffers);
      } catch (const Error&) { direct.reset(); }  // a file system that takes the flag and refuses the reads
    if (!direct || !spares_cache) rates[1] = rate(files_, round + 1, buffers);
    is_clear = is_clear && rates[1] > rates[0] * kClearly;
    direct_rate = std::max(direct_rate, rates[0]);
    cached_rate = std::max(cached_rate, rates[1]);
  }
  past_cache_ = direct && (spares_cache || !is_clear);
  probed_rate_ = past_cache_ ? direct_rate : cached_rate;
  if (past_cache_) files_ = std::move(*direct);
}

// Reads here and there in the tensors, as many at once as experts are read.
double ExpertSource::rate(const std::vector<InputFile>& files, int round, const ReadBuffers& buffers) const {
  constexpr size_t kRead = kExpertReadBytes;
  uint64_t reads = 0;  // that the tensors are long
  for (const gguf::Tensor& t : tensors_) reads += t.nbytes / kRead;
  const bool measures = reads >= 2 * kRounds * kSamples;
  std::vector<FileSpan> spans;
  for (int sample = 0; sample < (measures ? kSamples : 1); sample++) {
    uint64_t at = reads * uint64_t(sample * kRounds + round) / (kRounds * kSamples);
    const gguf::Tensor* t = &tensors_.front();
    if (measures)
      for (size_t i = 0; at >= t->nbytes / kRead; t = &tensors_[++i]) at -= t->nbytes / kRead;
    spans.push_back({&files[size_t(t->shard)], t->offset + at * kRead, std::min<size_t>(kRead, t->nbytes)});
    // What the page cache happens to hold says nothing of what a model that is larger than memory will meet.
    if (measures) spans.back().file->wont_need(spans.back().offset, kRead);
  }
  const double found = measure_reads(spans, buffers, kLongestRound);
  return measures ? found : 0;
}

}  // namespace pestle
