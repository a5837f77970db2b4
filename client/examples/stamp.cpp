// SPDX-License-Identifier: Apache-2.0
// Two processes that stamp their messages, here in one: whoever answers has a later stamp than what it answers.
#include <iostream>

#include "client/hlc_stamper.hpp"

int main() {
  gnomon::client::HlcStamper here;
  gnomon::client::HlcStamper there;
  const auto question = here.send();
  if (!question) return std::cerr << question.error().text << '\n', 1;
  const auto received = there.receive(*question);  // refused if its sender's clock is far ahead
  if (!received) return std::cerr << received.error().text << '\n', 1;
  const auto answer = there.send();
  if (!answer) return std::cerr << answer.error().text << '\n', 1;
  std::cout << question->value << '\n' << received->value << '\n' << answer->value << '\n';
}
