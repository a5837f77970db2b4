// SPDX-License-Identifier: Apache-2.0
// A lease, the simplest way: lease unix:/run/gnomon/main.sock
#include <iostream>

#include "client/lease/lease_client.hpp"

int main(int argc, char** argv) {
  auto leases = gnomon::client::LeaseClient::connect({.servers = {argc > 1 ? argv[1] : "unix:/run/gnomon/main.sock"}});
  if (!leases) return std::cerr << leases.error().text << '\n', 1;
  auto session = (*leases)->open_session({.ttl = gnomon::time::seconds(10)});
  if (!session) return std::cerr << session.error().text << '\n', 1;
  auto lease = (*session)->acquire("database:1");
  if (!lease) return std::cerr << lease.error().text << '\n', 1;
  if (lease->holds()) std::cout << "held under token " << lease->token() << '\n';
}
