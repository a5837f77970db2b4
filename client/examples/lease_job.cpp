// SPDX-License-Identifier: Apache-2.0
// A job of which one runs at a time, here of some milliseconds: lease_job unix:/run/gnomon/main.sock nightly 500
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "client/lease/exclusive_job.hpp"

using namespace gnomon;  // NOLINT(google-build-using-namespace): an example

int main(int argc, char** argv) {
  std::cout << std::unitbuf;  // each line at once
  if (argc < 3) return std::cerr << "usage: lease_job SERVER NAME [MILLISECONDS]\n", 2;
  const int length = argc > 3 ? std::atoi(argv[3]) : 500;  // NOLINT(cert-err34-c)
  const auto client = client::LeaseClient::connect({.servers = {argv[1]}});
  if (!client) return std::cerr << client.error().text << '\n', 1;
  const auto session = (*client)->open_session();
  if (!session) return std::cerr << session.error().text << '\n', 1;
  const auto end = client::run_exclusively(**session, argv[2], [&](const client::Lease&, const std::stop_token& stop) {
    std::cout << "running" << '\n';
    for (int done = 0; done < length && !stop.stop_requested(); done += 10)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  });
  if (!end && end.error().kind == client::LeaseErrorKind::kHeld) return std::cout << "it runs elsewhere" << '\n', 3;
  if (!end) return std::cerr << end.error().text << '\n', 1;
  std::cout << text_of(*end) << '\n';
}
