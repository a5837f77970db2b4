// SPDX-License-Identifier: Apache-2.0
//
// Who saturates an etcd: 16 connections, each of which puts one key after the other. In a process of its own, so that
// it can be stopped and continued from outside (SIGSTOP, SIGCONT) without losing a connection, and so that none of its
// work is done by a thread of the bench. It ends with its parent.
#include <string>
#include <thread>
#include <vector>

#include "bench/control_plane/etcd_access.hpp"
#include "bench/control_plane/parts.hpp"
#include "tests/support/child_process.hpp"

namespace gnomon::bench {
namespace {

constexpr int kConnections = 16;
constexpr std::size_t kValueBytes = 128;  // as that of a window

[[noreturn]] void put_for_ever(const std::string& url, int number) {
  const auto store = store_for(options_for(url));
  const control::Transaction put{{}, {{"hammer/" + std::to_string(number), std::string(kValueBytes, 'x')}}, {}};
  for (;;)
    if (!store->commit(put)) support::nap(10);
}

}  // namespace

void hammer(const char* url) {
  std::vector<std::thread> threads;
  for (int i = 1; i < kConnections; ++i)
    threads.emplace_back(put_for_ever, std::string(url), i);
  put_for_ever(url, 0);
}

}  // namespace gnomon::bench
