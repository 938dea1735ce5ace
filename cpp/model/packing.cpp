#include "model/packing.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <mutex>
#include <tuple>

#include "core/error.h"
#include "kernels/baseline/pack.h"

namespace pestle {
namespace {

// Threads draw pieces of one huge page of tiles: the thread that first writes into a page makes the system
// zero it, and packs into it while it is still in cache.
constexpr size_t kPieceBytes = size_t(2) << 20;
// Rows are read into a buffer that stays in L2 until they are packed. Unlike a map that costs a copy, but no
// page faults, and no page of the file is ever resident beside its tiles.
constexpr size_t kReadBytes = size_t(256) << 10;
// So many pieces before its turn, a part of the file is asked for. What is in the page cache already answers
// in a few microseconds.
constexpr size_t kPiecesAhead = 8;
// A report may have to wait, some milliseconds, for a lock that the caller's other threads hold.
constexpr auto kProgressEvery = std::chrono::milliseconds(50);

std::vector<PackPiece> cut(const std::vector<PackJob>& jobs) {
  std::vector<PackPiece> pieces;
  for (const PackJob& job : jobs) {
    const int n = 2 * job.matrix->strips();
    for (PackPiece p{&job, 0, 0, 0}; p.matrix < job.matrix->count; p.matrix++) {
      for (p.begin = 0; p.begin < n; p.begin = p.end) {
        for (p.end = p.begin + 1; p.end < n && p.at(p.end) / kPieceBytes == p.at(p.begin) / kPieceBytes;)
          p.end++;
        pieces.push_back(p);
      }
    }
  }
  return pieces;
}

// The largest scale of MXFP4 that products are exact enough for: panels take activations below 2^-100 for
// zero. Published models have nothing near it, and 255, NaN, is beyond it.
constexpr int kMostExponent = 32, kBias = 127;

struct Span { int begin = 0, end = 0; };

// The tensor's rows that these tile rows come from, with what lies between them. Empty for mere padding.
Span source_rows(const PackPiece& p, int tile_begin, int tile_end) {
  Span rows;
  if (p.job->transposed) return {p.source(0), p.source(0) + p.job->matrix->columns};
  for (int i = tile_begin * kTileRows; i < std::min(tile_end * kTileRows, p.job->matrix->rows); i++) {
    const int at = p.source(i);
    rows = rows.end == 0 ? Span{at, at + 1} : Span{std::min(rows.begin, at), std::max(rows.end, at + 1)};
  }
  return rows;
}

size_t row_bytes(const PackJob& job) {
  const gguf::Tensor& t = *job.tensor;
  return t.nbytes / (t.ne[1] * t.ne[2] * t.ne[3]);
}

void check_scales(const PackPiece& p, int tile_row, const char* packed, const std::string& file) {
  const auto* tiles = reinterpret_cast<const TileMXFP4*>(packed);
  for (int c = 0; c < p.job->matrix->columns / kBlockColumns; c++) {
    const uint8_t* largest = std::max_element(tiles[c].e, tiles[c].e + kTileRows);
    if (*largest <= kBias + kMostExponent) continue;
    const int row = p.source(tile_row * kTileRows + static_cast<int>(largest - tiles[c].e));
    throw UnsupportedError(file + ": tensor `" + std::string(p.job->tensor->name) + "`, row " +
                           std::to_string(row) + ", columns from " + std::to_string(c * kBlockColumns) +
                           ": the block's scale is " +
                           (*largest == 255 ? "NaN" : "2^" + std::to_string(*largest - kBias)) +
                           ", expected at most 2^" + std::to_string(kMostExponent));
  }
}

class PackLoop {
 public:
  PackLoop(const gguf::File& file, const std::vector<PackPiece>& pieces, char* tiles, int threads,
           const LoadProgress& progress)
      : file_(file),
        pieces_(pieces),
        tiles_(tiles),
        buffers_(static_cast<size_t>(threads)),
        progress_(progress) {
    for (const PackPiece& p : pieces_) total_ += bytes(p);
  }

  void run(ThreadPool& pool) {
    for (size_t i = 0; i < kPiecesAhead; i++) read_ahead(i);
    pool.run(static_cast<int>(pieces_.size()), 1, [this](int begin, int end, int thread) {
      for (int i = begin; i < end && !failed_.load(std::memory_order_relaxed); i++) try {
          read_ahead(static_cast<size_t>(i) + kPiecesAhead);
          take(pieces_[static_cast<size_t>(i)], buffers_[static_cast<size_t>(thread)]);
          if (thread == 0 && Clock::now() >= next_report_) report();
        } catch (...) {
          const std::lock_guard lock(failing_);
          if (!failed_.exchange(true)) failure_ = std::current_exception();
        }
    });
    if (failure_) std::rethrow_exception(failure_);
    if (reported_ < total_) report();
  }

 private:
  using Clock = std::chrono::steady_clock;

  static size_t bytes(const PackPiece& p) {
    return p.job->matrix->tile_row_bytes() * size_t(p.end - p.begin);
  }
  void read_ahead(size_t piece) const {
    if (piece >= pieces_.size()) return;
    const PackPiece& p = pieces_[piece];
    const SourceBytes source = source_of(p);
    file_.will_need(*p.job->tensor, source.offset, source.size);
  }

  void take(const PackPiece& p, std::vector<std::byte>& buffer) {
    if (p.job->transposed) {
      pack_transposed(p, buffer);
      done_.fetch_add(bytes(p), std::memory_order_relaxed);
      return;
    }
    const int step = static_cast<int>(std::max<size_t>(1, kReadBytes / p.job->matrix->tile_row_bytes()));
    for (PackPiece part = p; part.begin < p.end; part.begin = part.end) {
      part.end = std::min(part.begin + step, p.end);
      const SourceBytes source = source_of(part);
      if (buffer.size() < source.size) buffer.resize(source.size);
      file_.read(*p.job->tensor, source.offset, {buffer.data(), source.size});
      pack_piece(part, buffer.data(), file_.name(), tiles_ + part.at(part.begin));
    }
    done_.fetch_add(bytes(p), std::memory_order_relaxed);
  }

  // Rows of the tensor as floats, and columns of these as rows. Small, and only of old files: not fast.
  void pack_transposed(const PackPiece& p, std::vector<std::byte>& buffer) const {
    const Matrix& m = *p.job->matrix;
    const int width = static_cast<int>(p.job->tensor->ne[0]);
    const size_t row = row_bytes(*p.job);
    if (buffer.size() < row * size_t(m.columns)) buffer.resize(row * size_t(m.columns));
    file_.read(*p.job->tensor, row * size_t(p.source(0)), {buffer.data(), row * size_t(m.columns)});
    std::vector<char> tiles(row * kTileRows);
    std::vector<float> floats(size_t(width) * size_t(m.columns));
    for (int first = 0; first < m.columns; first += kTileRows) {
      const std::byte* rows[kTileRows] = {};
      const int n = std::min(kTileRows, m.columns - first);
      for (int r = 0; r < n; r++) rows[r] = buffer.data() + row * size_t(first + r);
      pack_tiles(p.job->stored, rows, width, tiles.data());
      for (int r = 0; r < n; r++)
        unpack_row(p.job->stored, tiles.data(), width, r, floats.data() + size_t(width) * size_t(first + r));
    }
    std::vector<float> turned(size_t(m.columns) * kTileRows);
    for (int t = p.begin; t < p.end; t++) {
      const std::byte* rows[kTileRows] = {};
      for (int r = 0; r < kTileRows && t * kTileRows + r < m.rows; r++) {
        float* out = turned.data() + size_t(m.columns) * size_t(r);
        for (int i = 0; i < m.columns; i++)
          out[i] = floats[size_t(width) * size_t(i) + size_t(t * kTileRows + r)];
        rows[r] = reinterpret_cast<const std::byte*>(out);
      }
      pack_tiles(m.format, rows, m.columns, tiles_ + p.at(t));
    }
  }

  void report() {
    next_report_ = Clock::now() + kProgressEvery;
    reported_ = done_.load(std::memory_order_relaxed);
    if (progress_) progress_(reported_, total_);
  }

  const gguf::File& file_;
  const std::vector<PackPiece>& pieces_;
  char* tiles_;
  std::vector<std::vector<std::byte>> buffers_;  // one per thread
  const LoadProgress& progress_;
  size_t total_ = 0, reported_ = 0;
  Clock::time_point next_report_;
  std::atomic<size_t> done_{0};
  std::atomic<bool> failed_{false};
  std::mutex failing_;
  std::exception_ptr failure_;
};

}  // namespace

SourceBytes source_of(const PackPiece& piece) {
  const Span rows = source_rows(piece, piece.begin, piece.end);
  const size_t row = row_bytes(*piece.job);
  return {uint64_t(row) * uint64_t(rows.begin), row * size_t(rows.end - rows.begin)};
}

void pack_piece(const PackPiece& p, const std::byte* source, const std::string& file, char* out) {
  const Matrix& m = *p.job->matrix;
  const size_t row = row_bytes(*p.job);
  const int first = source_rows(p, p.begin, p.end).begin;
  for (int t = p.begin; t < p.end; t++, out += m.tile_row_bytes()) {
    const std::byte* rows[kTileRows] = {};
    for (int r = 0; r < kTileRows; r++)
      if (const int i = t * kTileRows + r; i < m.rows) rows[r] = source + row * size_t(p.source(i) - first);
    pack_tiles(m.format, rows, m.columns, out);
    if (m.format == Format::MXFP4) check_scales(p, t, out, file);
  }
}

void pack_matrices(const gguf::File& file, std::vector<PackJob> jobs, char* tiles, ThreadPool& pool,
                   const LoadProgress& progress) {
  std::sort(jobs.begin(), jobs.end(), [](const PackJob& a, const PackJob& b) {
    return std::tuple(a.tensor->shard, a.tensor->offset, a.first) <
           std::tuple(b.tensor->shard, b.tensor->offset, b.first);
  });
  const std::vector<PackPiece> pieces = cut(jobs);
  PackLoop(file, pieces, tiles, pool.threads(), progress).run(pool);
}

}  // namespace pestle
