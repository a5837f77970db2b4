// SPDX-License-Identifier: Apache-2.0
//
// How whoever started the daemon learns that it answers, and where: one line on standard output, and a file. With port
// 0 this is the only way to know the ports.
#pragma once

#include <string>
#include <vector>

#include "cmd/gnomond/failure.hpp"

namespace gnomon::cmd {

struct ReadyNews {
  std::string instance;
  std::vector<std::string> listen;
  std::string metrics;  // empty: off
  std::string socket;
};

/// `gnomond ready instance=main listen=127.0.0.1:14666,[::1]:14666 metrics=127.0.0.1:14668
/// socket=/run/gnomon/main.sock`
void print_ready_line(const ReadyNews& news);

/// The addresses, one per line; the file appears whole. Nothing if `path` is empty.
[[nodiscard]] Or<void> write_ready_file(const std::string& path, const ReadyNews& news);

}  // namespace gnomon::cmd
