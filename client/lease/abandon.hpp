// SPDX-License-Identifier: Apache-2.0
//
// What a forked child does with a handle that it inherited: nothing. Other threads of the parent may have held the
// locks behind it, and its threads are not there to be joined; so it is not even freed.
#pragma once

#include <utility>

namespace gnomon::client {

template <typename Pointer>
void abandon(Pointer& pointer) {
  static_cast<void>(new Pointer(std::move(pointer)));
}

}  // namespace gnomon::client
