// SPDX-License-Identifier: Apache-2.0
// A reader's copy and a writer that waits for it, in one process: lease_cache unix:/run/gnomon/main.sock
// cache/user:1
#include <iostream>
#include <string>

#include "client/lease/cache_lease.hpp"

using namespace gnomon;  // NOLINT(google-build-using-namespace): an example

int main(int argc, char** argv) {
  std::cout << std::unitbuf;  // each line at once
  if (argc < 3) return std::cerr << "usage: lease_cache SERVER NAME\n", 2;
  const std::string name = argv[2];
  const auto client = client::LeaseClient::connect({.servers = {argv[1]}});
  if (!client) return std::cerr << client.error().text << '\n', 1;
  const auto for_reader = (*client)->open_session();
  if (!for_reader) return std::cerr << for_reader.error().text << '\n', 1;
  const auto for_writer = (*client)->open_session();
  if (!for_writer) return std::cerr << for_writer.error().text << '\n', 1;

  std::string source = "old";
  const auto reader = client::CacheReader::open(**client, **for_reader, name);
  if (!reader) return std::cerr << reader.error().text << '\n', 1;
  const auto held = (*reader)->hold(name);
  if (!held) return std::cerr << held.error().text << '\n', 1;
  const std::string copy = source;  // after `hold`, not before
  std::cout << "the reader has \"" << copy << "\", " << ((*reader)->valid(name, *held) ? "valid" : "invalid") << '\n';

  const auto written =
      client::update_cached(**client, **for_writer, name, time::seconds(30), [&](const client::Lease&) {
        std::cout << "the writer writes; the copy is " << ((*reader)->valid(name, *held) ? "valid" : "invalid") << '\n';
        source = "new";
      });
  if (!written) return std::cerr << written.error().text << '\n', 1;
  const auto again = (*reader)->hold(name);
  if (!again) return std::cerr << again.error().text << '\n', 1;
  std::cout << "the reader has \"" << source << "\", " << ((*reader)->valid(name, *again) ? "valid" : "invalid")
            << '\n';
}
