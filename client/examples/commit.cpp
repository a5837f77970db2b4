// SPDX-License-Identifier: Apache-2.0
// A transaction whose timestamp is in order with all others everywhere: commit 127.0.0.1:14666
#include <iostream>

#include "client/client.hpp"

int main(int argc, char** argv) {
  auto client = gnomon::client::Client::connect({.servers = {argc > 1 ? argv[1] : "127.0.0.1"}});
  if (!client) return std::cerr << client.error().text << '\n', 1;
  const auto now = client->now();  // the true time is inside
  if (!now) return std::cerr << now.error().text << '\n', 1;
  const auto t = now->latest;  // commit under this timestamp, and say so only when it has passed for certain
  const auto passed = client->commit_wait(t);
  if (!passed) return std::cerr << passed.error().text << '\n', 1;
  std::cout << t.ns << '\n' << passed->earliest.ns << '\n';
}
