// SPDX-License-Identifier: Apache-2.0
// Leads as often as it is told to, a term of a second each: lease_election unix:/run/gnomon/main.sock leader 3
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "client/lease/leader_election.hpp"

using namespace gnomon;  // NOLINT(google-build-using-namespace): an example

int main(int argc, char** argv) {
  std::cout << std::unitbuf;  // each line at once
  if (argc < 3) return std::cerr << "usage: lease_election SERVER NAME [TERMS]\n", 2;
  const int terms = argc > 3 ? std::atoi(argv[3]) : 1;  // NOLINT(cert-err34-c)
  const auto client = client::LeaseClient::connect({.servers = {argv[1]}});
  if (!client) return std::cerr << client.error().text << '\n', 1;
  const auto session = (*client)->open_session();
  if (!session) return std::cerr << session.error().text << '\n', 1;
  for (int term = 1; term <= terms; ++term) {
    client::LeaderElection election(**session, {.name = argv[2], .metadata = "an example"});
    if (const auto token = election.campaign(time::seconds(60)); !token)
      return std::cerr << token.error().text << '\n', 1;
    std::cout << "term " << term << ": leading" << '\n';
    // What a leader does, as long as it leads. What it writes carries election.token().
    for (int beat = 0; beat < 10 && election.leads(); ++beat)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    std::cout << "term " << term << ": " << (election.resign() ? "resigned" : "deposed") << '\n';
  }
}
