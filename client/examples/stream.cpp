// SPDX-License-Identifier: Apache-2.0
// A hundred thousand IDs one by one, at memory speed: stream 127.0.0.1:14666
#include <iostream>

#include "client/id_stream.hpp"

int main(int argc, char** argv) {
  auto client = gnomon::client::Client::connect({.servers = {argc > 1 ? argv[1] : "127.0.0.1"}});
  if (!client) return std::cerr << client.error().text << '\n', 1;
  auto stream = gnomon::client::IdStream::open(*client, {.layout = gnomon::id::kSnowflake});
  if (!stream) return std::cerr << stream.error().text << '\n', 1;
  for (int i = 0; i < 100'000; ++i) {
    const auto id = stream->next();
    if (!id) return std::cerr << id.error().text << '\n', 1;
    if (i % 10'000 == 0) std::cout << id->value << '\n';
  }
}
