// What the core's reading of files needs of a system: tools/windows.py runs it under wine.
//
//   files read FILE OFFSET BYTES     prints them, read through the page cache and past it
//   files removed FILE               removes it while it is open, and reads it to its end as it was
//   files replaced FILE OTHER        moves OTHER to its place while it is open, and reads it as it was
//   files cut FILE                   cuts it while it is open
//
// The last three print what the system allowed, and what InputFile then says of the file that has the name.
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>

#include "arguments.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/input_file.h"

namespace {

std::string bytes(const pestle::InputFile& file, uint64_t offset, size_t n) {
  std::string out(n, '?');
  file.read(offset, std::as_writable_bytes(std::span(out)));
  return out;
}

void expect(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

// The message of the error that `action` ends with, if it does.
template <class Action>
std::string refusal(const Action& action) {
  try {
    action();
  } catch (const pestle::Error& error) { return error.what(); }
  return "no error";
}

void read(const std::string& path, uint64_t offset, size_t n) {
  const pestle::InputFile file(path);
  const std::string cached = bytes(file, offset, n);
  if (const auto uncached = file.past_cache()) {
    pestle::Buffer buffer(n + 2 * pestle::kReadAlignment);
    const std::byte* found =
        uncached->read_pages(offset, n, std::as_writable_bytes(std::span(buffer.data(), buffer.size())));
    expect(std::string(reinterpret_cast<const char*>(found), n) == cached, "other bytes past the cache");
  }
  std::fwrite(cached.data(), 1, n, stdout);
}

void removed(const std::string& path) {
  const pestle::InputFile file(path);
  const std::string before = bytes(file, 0, file.size());
  std::filesystem::remove(native::path_of(path));
  expect(bytes(file, 0, file.size()) == before, "other bytes once it was removed");
  std::puts(refusal([&] { file.again(); }).c_str());
}

void replaced(const std::string& path, const std::string& other) {
  const pestle::InputFile file(path);
  const std::string before = bytes(file, 0, file.size());
  const auto place = native::path_of(path), next = native::path_of(other);
  std::error_code refused;
  std::filesystem::rename(next, place, refused);
  std::puts(refused ? "in two moves" : "in one move");
  if (refused) {  // Windows replaces no file that is open, but lets it be moved away
    std::filesystem::rename(place, native::path_of(path + ".old"));
    std::filesystem::rename(next, place);
  }
  expect(bytes(file, 0, file.size()) == before, "other bytes once it was replaced");
  std::puts(refusal([&] { file.again(); }).c_str());
  std::puts(refusal([&] { file.past_cache(); }).c_str());
}

void cut(const std::string& path) {
  const pestle::InputFile file(path);
  std::error_code refused;
  std::filesystem::resize_file(native::path_of(path), 1, refused);
  if (refused)
    std::puts("forbidden");
  else
    std::puts(refusal([&] { bytes(file, 0, file.size()); }).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const auto given = native::arguments(argc, argv);
  const std::string what = given.size() > 2 ? given[1] : "";
  try {
    if (what == "read" && given.size() == 5)
      read(given[2], std::stoull(given[3]), std::stoul(given[4]));
    else if (what == "removed" && given.size() == 3)
      removed(given[2]);
    else if (what == "replaced" && given.size() == 4)
      replaced(given[2], given[3]);
    else if (what == "cut" && given.size() == 3)
      cut(given[2]);
    else
      throw std::invalid_argument("read FILE OFFSET BYTES, removed FILE, replaced FILE OTHER or cut FILE");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "files: %s\n", error.what());
    return 1;
  }
  return 0;
}
