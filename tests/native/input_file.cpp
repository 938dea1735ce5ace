// InputFile over a system that answers as it is told, compiled with -Dpread=told_pread:
//
//   input_file FILE ANSWERS SIZE
//
// Each character of ANSWERS is what one call does: i EINTR, e EIO, s ESTALE, n ENOTCONN, 1 reads one byte, 0
// reads nothing, and whatever comes behind them reads all. Prints what was read, or the message.
#include "core/input_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/error.h"

namespace {

const char* answers = "";

}  // namespace

extern "C" ssize_t told_pread(int file, void* out, size_t size, off_t offset) {
  const char answer = *answers != 0 ? *answers++ : '*';
  switch (answer) {
    case 'i':
      errno = EINTR;
      return -1;
    case 'e':
      errno = EIO;
      return -1;
    case 's':
      errno = ESTALE;
      return -1;
    case 'n':
      errno = ENOTCONN;
      return -1;
    case '0':
      return 0;
    default:
      lseek(file, offset, SEEK_SET);
      return read(file, out, answer == '1' && size > 1 ? 1 : size);
  }
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    const pestle::InputFile file(argv[1]);
    std::string out(std::strtoul(argv[3], nullptr, 10), '?');
    answers = argv[2];
    file.read(0, std::as_writable_bytes(std::span(out)));
    std::printf("%s", out.c_str());
  } catch (const pestle::Error& error) { std::printf("error: %s", error.what()); }
  return 0;
}
