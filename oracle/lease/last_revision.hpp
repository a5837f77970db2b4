// SPDX-License-Identifier: Apache-2.0
//
// The largest revision that a store can have: a token has 48 bits for it (stored_right.hpp), and 2^48 commits are nine
// years of a million a second. An entry beyond it comes from no store, but from what answers in its name or from
// damage, and is read as damaged: a token that was made of it would be cut, and so be another grant's.
#pragma once

#include "oracle/lease/record.hpp"

namespace gnomon::lease {

constexpr Revision kLastRevision{(std::uint64_t{1} << 48) - 1};

}  // namespace gnomon::lease
