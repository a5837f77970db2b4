// SPDX-License-Identifier: Apache-2.0
//
// The commands about the true time, and about hybrid timestamps: now, wait, hlc and plot. Without a server they read
// the clock page of the gnomond of this host, which costs it nothing and works while it hangs; with one they ask it.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

#include "cmd/gnomon/online.hpp"
#include "cmd/gnomon/output.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::cmd {

/// Whose time: the named servers', else that of this host's daemon.
struct ClockChoice {
  std::optional<std::string> instance;  // environment GNOMON_SERVER_INSTANCE, else main
  ServerOptions server;

  [[nodiscard]] bool asks_servers() const { return !server.servers.empty(); }
};

struct NowOptions {
  ClockChoice clock;
  bool watch = false;
  bool csv = false;  // for `gnomon plot`
  double interval_s = 1;
  int count = 0;  // of looks, when watching; 0: until interrupted
};
/// kUnsynchronised if there is no interval; when watching, as it was at the last look.
[[nodiscard]] ExitCode run_now(const NowOptions& options, const Output& output);

struct WaitOptions {
  std::string t;  // TAI ns, RFC 3339, now+2s
  std::string limit = "10s";
  ClockChoice clock;
};
/// kOk once t has passed for certain.
[[nodiscard]] ExitCode run_wait(const WaitOptions& options, const Output& output);

struct HlcOptions {
  std::optional<std::uint64_t> value;  // that came with a message
  bool decode = false;                 // take it apart instead, without a server
  ServerOptions server;
};
[[nodiscard]] ExitCode run_hlc(const HlcOptions& options, const Output& output);

struct PlotOptions {
  std::string recording;  // from `gnomon now --watch --csv`; "-": standard input
  std::string picture;    // SVG; empty: standard output
  bool script = false;    // print what gnuplot would be told instead
  std::string gnuplot = "gnuplot";
};
[[nodiscard]] ExitCode run_plot(const PlotOptions& options, std::istream& in, const Output& output);

/// The instance that is meant.
[[nodiscard]] std::string instance_of(const ClockChoice& choice);

/// The first line of a recording, which says what is in it.
[[nodiscard]] std::string recording_header();

}  // namespace gnomon::cmd
