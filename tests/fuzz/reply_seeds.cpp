// SPDX-License-Identifier: Apache-2.0
//
// Where the reply fuzzer begins: each operation with its right reply, and what befalls replies one by one.
#include <initializer_list>

#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {

std::map<std::string, Input> seeds() {
  std::map<std::string, Input> all;
  // Each operation is asked for and answered; what follows the replies is their status and what befalls them.
  const Input asks{0, 0, 1, 0x21, 0, 2, 0, 0x20, 0, 3, 7, 0x20, 0, 4, 0, 0x20, 0, 5, 7, 0x20, 0, 6, 0, 0x20};
  const auto with = [&](std::uint8_t head, std::initializer_list<std::uint8_t> tail) {
    Input input{head};
    input.insert(input.end(), asks.begin(), asks.end());
    input.insert(input.end(), tail);
    return input;
  };
  all["six_right_replies"] = with(0, {4 + 5 * 8, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0});
  all["six_signed_replies"] = with(1, {4 + 5 * 8, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0});
  all["signed_where_nobody_signs"] = with(0, {4, 0, 1, 64});
  all["unsigned_where_all_is_signed"] = with(1, {4, 0, 1, 64});
  all["one_reply_twice"] = with(0, {4 + 8, 0, 1, 0, 0, 1, 0});
  all["damaged_behind_the_tag"] = with(1, {4, 0, 1, 128, 16, 255});
  all["too_many_ids"] = with(0, {4, 0, 1, 3, 4, 1, 1, 3, 4, 2, 1, 3});
  for (std::uint8_t status = 1; status <= 10; ++status)
    all["status_" + std::to_string(status)] =
        with(0, {4 + 2 * 8, 0, static_cast<std::uint8_t>(status * 4), 0, 1, 0, static_cast<std::uint8_t>(status * 4), 0,
                 9, 0, static_cast<std::uint8_t>(status * 4), 0, 200, 3, 100});
  all["unauthorised_unsigned"] = with(1, {4, 0, 36, 64, 0});
  all["late"] = with(2, {3, 70, 4 + 8, 0, 1, 0, 1, 1, 0});
  all["a_link_fails"] = with(2, {5, 0, 4, 0, 1, 0, 5, 0x81});
  all["gathered_by_ones"] = {0, 0, 0, 3, 0x22, 4, 0, 1, 1, 4, 0, 1, 1, 4, 0, 1, 1, 4, 0, 1, 1};
  all["gathered_after_a_smaller_limit"] = {0, 0, 0, 200, 0x26, 4, 0, 32, 0, 100, 4, 0, 1, 0, 4, 0, 1, 0};
  all["reply_of_any_bytes"] = {0, 6, 8, 'G', 'N', 'O', '1', 1, 2, 0x80, 0};
  all["intervals_that_end_nowhere"] = with(0, {4 + 5 * 8, 0, 1, 4, 1, 1, 6, 2, 1, 8, 3, 1, 10, 4, 1, 12, 5, 1, 14});
  return all;
}

}  // namespace gnomon::fuzz
