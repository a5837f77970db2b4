// SPDX-License-Identifier: Apache-2.0
//
// The lease server of the tests as a program: serves on the socket that it is told, prints its address, and ends with
// its standard input.
#include <cstdio>

#include "tests/client/lease/fake_lease_service.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: serve_lease_main SOCKET\n", stderr), 2;
  gnomon::client::FakeLeaseTable table;
  const gnomon::client::FakeLeaseServer server(table, argv[1]);
  std::puts(server.address().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}
