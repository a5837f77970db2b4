// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/ready.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <fstream>

#include "platform/system_error.hpp"

namespace gnomon::cmd {

void print_ready_line(const ReadyNews& news) {
  std::string listen;
  for (const std::string& endpoint : news.listen)
    listen += (listen.empty() ? "" : ",") + endpoint;
  fmt::print("gnomond ready instance={} listen={} metrics={} socket={}\n", news.instance, listen,
             news.metrics.empty() ? "off" : news.metrics, news.socket);
  (void)std::fflush(stdout);  // nobody may be reading it, and that is fine
}

Or<void> write_ready_file(const std::string& path, const ReadyNews& news) {
  if (path.empty()) return {};
  const std::string beside = path + ".new";
  std::ofstream out(beside, std::ios::trunc);
  for (const std::string& endpoint : news.listen)
    out << endpoint << '\n';
  out.close();
  if (!out) return refused(platform::system_error("write the ready file " + beside).text);
  if (std::rename(beside.c_str(), path.c_str()) != 0)
    return refused(platform::system_error("put the ready file in place: " + path).text);
  return {};
}

}  // namespace gnomon::cmd
