// A driver's arguments as UTF-8, as the core takes paths: Windows gives main() what its code page can say.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <shellapi.h>
#endif

namespace native {

inline std::filesystem::path path_of(const std::string& utf8) {
  return std::filesystem::path(std::u8string(utf8.begin(), utf8.end()));
}

inline std::vector<std::string> arguments([[maybe_unused]] int argc, [[maybe_unused]] char** argv) {
#ifdef _WIN32
  int n = 0;
  wchar_t** wide = CommandLineToArgvW(GetCommandLineW(), &n);
  std::vector<std::string> all;
  for (int i = 0; i < n; i++) {
    const std::u8string utf8 = std::filesystem::path(wide[i]).u8string();
    all.emplace_back(utf8.begin(), utf8.end());
  }
  LocalFree(wide);
  return all;
#else
  return {argv, argv + argc};
#endif
}

}  // namespace native
