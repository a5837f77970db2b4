// SPDX-License-Identifier: Apache-2.0
// A resource that refuses who holds its lease no more: lease_guard unix:/run/gnomon/main.sock database:1
#include <iostream>
#include <string>

#include "client/lease/lease_client.hpp"
#include "client/lease/token_guard.hpp"

using namespace gnomon;  // NOLINT(google-build-using-namespace): an example

int main(int argc, char** argv) {
  std::cout << std::unitbuf;  // each line at once
  if (argc < 3) return std::cerr << "usage: lease_guard SERVER NAME\n", 2;
  const std::string name = argv[2];
  const auto client = client::LeaseClient::connect({.servers = {argv[1]}});
  if (!client) return std::cerr << client.error().text << '\n', 1;
  client::TokenGuard guard;  // of the resource; what it guards
  std::string row;
  const auto write = [&](const std::string& who, std::uint64_t token) {
    const auto admission = guard.act(name, token, [&] { row = who; });
    std::cout << who << " writes: " << (admission ? "admitted" : "refused") << ", the row says " << row << '\n';
  };
  std::uint64_t first_token = 0;
  for (const char* who : {"the first holder", "the second holder"}) {
    const auto session = (*client)->open_session();
    if (!session) return std::cerr << session.error().text << '\n', 1;
    const auto lease = (*session)->acquire(name);
    if (!lease) return std::cerr << lease.error().text << '\n', 1;
    write(who, lease->token());
    if (first_token == 0) first_token = lease->token();
  }
  write("the first holder, late,", first_token);
}
