// From the file into tiles: every matrix of a model, read and packed on all threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "gguf/file.h"
#include "model/matrix.h"

namespace pestle {

// Pestle's rotary kernel turns channel i with i + n_rot / 2. GGUF files of some architectures hold the rows
// of q and k so that adjacent channels turn together: packing puts them back, which costs nothing.
struct RowOrder {
  int head_dim = 0, n_rot = 0;  // 0: rows stay where they are
  int first_rot = 0;            // of a head's rows, the first that turns
  int source(int row) const {
    if (head_dim == 0) return row;
    const int d = row % head_dim - first_rot, half = n_rot / 2;
    return d < 0 || d >= n_rot ? row : row - d + 2 * (d % half) + d / half;
  }
};

struct PackJob {
  Matrix* matrix;
  const gguf::Tensor* tensor;
  Format stored;      // of the tensor
  int first, stride;  // the tensor's row that is row 0 of the first matrix; rows from matrix to matrix
  RowOrder order;
  bool transposed;  // the tensor's rows are the matrix's columns, and become floats
  size_t at;        // where its matrix->bytes() begin in the model's tiles
};

// Some tile rows of one of a job's matrices.
struct PackPiece {
  const PackJob* job;
  int matrix;      // of job->matrix->count
  int begin, end;  // its tile rows
  int source(int row) const { return job->first + job->stride * matrix + job->order.source(row); }
  size_t at(int tile_row) const {
    const Matrix& m = *job->matrix;
    return job->at + m.bytes_of_one() * size_t(matrix) + m.tile_row_bytes() * size_t(tile_row);
  }
};

// The bytes of the tensor that a piece is made of: whole rows, and what lies between them. None for mere
// padding.
struct SourceBytes {
  uint64_t offset;
  size_t size;
};
SourceBytes source_of(const PackPiece& piece);
// Packs a piece that is not transposed from those bytes. UnsupportedError, which names `file` and the tensor,
// for a scale that products are not exact enough for.
void pack_piece(const PackPiece& piece, const std::byte* source, const std::string& file, char* out);

using LoadProgress = std::function<void(size_t done, size_t total)>;

// Takes the tensors in the order in which the file has them. `progress` is called now and then on the
// caller's thread, and with everything done at the end; what it throws ends the packing and comes out here,
// as do the errors of reading.
void pack_matrices(const gguf::File& file, std::vector<PackJob> jobs, char* tiles, ThreadPool& pool,
                   const LoadProgress& progress);

}  // namespace pestle
