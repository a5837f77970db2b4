// SPDX-License-Identifier: Apache-2.0
//
// The test server as a program: prints its address, serves until its standard input ends.
#include <cstdio>

#include "tests/client/test_server.hpp"

int main() {
  gnomon::client::testing::TestServer server;
  server.set_truth(gnomon::time::milliseconds(1), gnomon::time::milliseconds(1));
  std::puts(server.address().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}
