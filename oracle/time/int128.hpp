// SPDX-License-Identifier: Apache-2.0
//
// 128-bit integers, for products of two 64-bit numbers that must not overflow. A compiler extension of g++ and clang
// on every 64-bit target; named once here so that -Wpedantic can stay on everywhere else.
#pragma once

namespace gnomon::time {

__extension__ typedef __int128 Int128;            // NOLINT(modernize-use-using): __extension__ needs a typedef
__extension__ typedef unsigned __int128 UInt128;  // NOLINT(modernize-use-using)

}  // namespace gnomon::time
