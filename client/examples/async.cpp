// SPDX-License-Identifier: Apache-2.0
// A hundred requests at the same time, which share a few datagrams: async 127.0.0.1:14666
#include <iostream>

#include "client/client.hpp"

int main(int argc, char** argv) {
  auto client = gnomon::client::Client::connect({.servers = {argc > 1 ? argv[1] : "127.0.0.1"}});
  if (!client) return std::cerr << client.error().text << '\n', 1;
  std::vector<std::future<gnomon::client::Result<gnomon::client::IdRange>>> pending;
  pending.reserve(100);
  for (int i = 0; i < 100; ++i)
    pending.push_back(client->next_range_future(gnomon::id::kSnowflake, 1));
  for (auto& one : pending) {
    const auto range = one.get();
    if (!range) return std::cerr << range.error().text << '\n', 1;
    std::cout << range->first.value << '\n';
  }
}
