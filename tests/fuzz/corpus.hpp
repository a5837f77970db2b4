// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the fuzzers share: the inputs in the tree, and the fuzzer as a function.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {

/// Of the target that this is linked with. The environment says where, so that what is compiled depends on no checkout.
[[nodiscard]] inline std::string corpus_folder() {
  const char* const folder = std::getenv("GNOMON_FUZZ_CORPUS");  // NOLINT(concurrency-mt-unsafe): one thread
  if (folder != nullptr) return folder;
  std::fputs("GNOMON_FUZZ_CORPUS is not set: it is tests/fuzz/corpus/NAME of this program's target\n", stderr);
  std::exit(2);  // NOLINT(concurrency-mt-unsafe): one thread
}

/// By the names of the files.
inline std::map<std::string, Input> files_of_corpus(const std::string& corpus) {
  std::map<std::string, Input> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs[entry.path().filename()] = Input(std::istreambuf_iterator<char>(file), {});
  }
  return inputs;
}

inline void write_to_corpus(const std::string& corpus, const std::string& name, const Input& input) {
  std::filesystem::create_directories(corpus);
  std::ofstream file(std::filesystem::path(corpus) / name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
}

inline int run(const Input& input) {
  const Input exact(input);  // no spare room behind it
  return LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace gnomon::fuzz
