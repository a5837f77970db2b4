// SPDX-License-Identifier: Apache-2.0
// A primary of some chunks and a client that remembers where they are: lease_chunks unix:/run/gnomon/main.sock c 100
#include <cstdlib>
#include <iostream>
#include <string>

#include "client/lease/chunk_lease.hpp"

using namespace gnomon;  // NOLINT(google-build-using-namespace): an example

int main(int argc, char** argv) {
  std::cout << std::unitbuf;  // each line at once
  if (argc < 3) return std::cerr << "usage: lease_chunks SERVER PREFIX [CHUNKS]\n", 2;
  const int chunks = argc > 3 ? std::atoi(argv[3]) : 100;  // NOLINT(cert-err34-c)
  const auto chunk = [&](int number) { return std::string(argv[2]) + ":" + std::to_string(number); };
  const auto client = client::LeaseClient::connect({.servers = {argv[1]}});
  if (!client) return std::cerr << client.error().text << '\n', 1;
  const auto primary = client::ChunkPrimary::open(**client, {.location = "host-1:7000"});
  if (!primary) return std::cerr << primary.error().text << '\n', 1;
  for (int i = 0; i < chunks; ++i)
    if (const auto token = (*primary)->take(chunk(i)); !token) return std::cerr << token.error().text << '\n', 1;
  std::cout << "primary of " << (*primary)->chunks() << " chunks on one session" << '\n';

  client::LocationCache cache(*client);
  for (int round = 0; round < 10; ++round)
    for (int i = 0; i < chunks; ++i)
      if (const auto found = cache.locate(chunk(i)); !found || found->location != "host-1:7000")
        return std::cerr << "chunk " << i << " was not found\n", 1;
  std::cout << cache.counters().hits + cache.counters().questions << " lookups, " << cache.counters().questions
            << " questions" << '\n';
}
