// Quantizes rows without Python: what tools/neon.py runs on other machines.
//
//   blocks TYPE COLUMNS ROWS IMPORTANCE OUTPUT
//
// TYPE is GGUF's number. ROWS and IMPORTANCE are files of float32 in the machine's byte order,
// [rows][columns] and [columns]; IMPORTANCE may be "-". OUTPUT receives the blocks; stdout the active
// instruction set.
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "arguments.h"
#include "kernels/table.h"
#include "quantize/baseline/quantize.h"

namespace {

std::vector<float> floats(const std::string& path) {
  std::ifstream file(native::path_of(path), std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::vector<float> numbers(static_cast<size_t>(file.tellg()) / sizeof(float));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(numbers.data()),
            static_cast<std::streamsize>(numbers.size() * sizeof(float)));
  return numbers;
}

void run(uint32_t id, int64_t columns, const std::string& rows_path, const std::string& importance_path,
         const std::string& output_path) {
  if (pestle::gguf::find_type(id) == nullptr) throw std::invalid_argument("no type: " + std::to_string(id));
  const auto type = static_cast<pestle::gguf::Type>(id);
  const std::vector<float> rows = floats(rows_path);
  std::vector<float> importance;
  if (importance_path != "-") importance = floats(importance_path);
  const pestle::quantize::Matrix matrix = {rows.data(), static_cast<int64_t>(rows.size()) / columns, columns};
  std::vector<uint8_t> blocks(static_cast<size_t>(matrix.rows * pestle::quantize::row_bytes(type, columns)));
  pestle::ThreadPool pool(2);
  pestle::quantize::quantize_rows(type, matrix, importance.empty() ? nullptr : importance.data(),
                                  blocks.data(), pool);
  std::ofstream output;
  output.exceptions(std::ios::failbit | std::ios::badbit);
  output.open(native::path_of(output_path), std::ios::binary);
  output.write(reinterpret_cast<const char*>(blocks.data()), static_cast<std::streamsize>(blocks.size()));
  output.close();
}

}  // namespace

int main(int argc, char** argv) {
  const auto given = native::arguments(argc, argv);
  if (given.size() != 6) {
    std::fputs("usage: blocks TYPE COLUMNS ROWS IMPORTANCE OUTPUT\n", stderr);
    return 2;
  }
  try {
    std::puts(pestle::kernels().isa);
    run(static_cast<uint32_t>(std::stoul(given[1])), std::stoll(given[2]), given[3], given[4], given[5]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "blocks: %s\n", error.what());
    return 1;
  }
  return 0;
}
