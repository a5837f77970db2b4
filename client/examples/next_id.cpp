// SPDX-License-Identifier: Apache-2.0
// One ID, the simplest way: next_id 127.0.0.1:14666
#include <iostream>

#include "client/client.hpp"

int main(int argc, char** argv) {
  auto client = gnomon::client::Client::connect({.servers = {argc > 1 ? argv[1] : "127.0.0.1"}});
  if (!client) return std::cerr << client.error().text << '\n', 1;
  const auto id = client->next_id(gnomon::id::kSnowflake);
  if (!id) return std::cerr << id.error().text << '\n', 1;
  std::cout << id->value << '\n';
}
