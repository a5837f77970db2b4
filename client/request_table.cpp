// SPDX-License-Identifier: Apache-2.0
#include "client/request_table.hpp"

#include <sodium/crypto_shorthash_siphash24.h>

#include <cstring>

namespace gnomon::client {

std::uint64_t SecretNumbers::next() {
  std::array<unsigned char, sizeof counter_> in{};
  std::array<unsigned char, sizeof counter_> out{};
  std::memcpy(in.data(), &counter_, sizeof counter_);
  ++counter_;
  crypto_shorthash_siphash24(out.data(), in.data(), in.size(), secret_.data());
  std::uint64_t number = 0;
  std::memcpy(&number, out.data(), sizeof number);
  return number;
}

}  // namespace gnomon::client
