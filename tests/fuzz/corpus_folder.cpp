// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/corpus.hpp"

namespace gnomon::fuzz {

std::string corpus_folder() { return GNOMON_FUZZ_CORPUS; }

}  // namespace gnomon::fuzz
