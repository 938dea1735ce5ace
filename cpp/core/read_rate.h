// How fast files can be read by several threads at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include "core/input_file.h"
#include "core/read_buffers.h"

namespace pestle {

struct FileSpan {
  const InputFile* file;
  uint64_t offset;
  size_t bytes;
};

// Bytes a second of reading these, a span for each buffer at a time; those of them that were begun before
// `longest` had passed. Error when a read fails.
double measure_reads(std::span<const FileSpan> spans, const ReadBuffers& buffers,
                     std::chrono::milliseconds longest);

// The same of `bytes` here and there in a file past the page cache; 0 where the system or the file has no
// such reads, or the file is too small.
double measure_random_reads(const std::string& path, size_t bytes, int readers,
                            std::chrono::milliseconds longest);

}  // namespace pestle
