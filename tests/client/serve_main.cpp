// SPDX-License-Identifier: Apache-2.0
//
// The test server as a program: prints its address, serves until its standard input ends.
#include <cstdio>

#include "tests/client/test_server.hpp"

int main() {
  const gnomon::client::testing::TestServer server;
  std::puts(server.address().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}
