// SPDX-License-Identifier: Apache-2.0
//
// gnomon control: the ways out when a daemon refuses its store, or when a machine id is caught in the far future. All
// of them change what may be issued, so all say what they are about to do and ask.
//
//   recover   makes a usable store out of what can still be read: raises the epoch and all floors above anything that
//   may
//             have been issued
//   adopt     binds a state that was moved here to this machine, or this host to another store of many hosts
//   heal      takes one machine id away from whoever holds it, and lets it rest until time passes its ceiling
//
// A store of one host is open in its daemon, which must not be running. A store of many hosts is changed under their
// daemons' eyes: each of them finds out at its next commit.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "cmd/gnomon/output.hpp"
#include "cmd/options/resolve.hpp"

namespace gnomon::cmd {

struct ControlOptions {
  std::optional<std::string> config;
  std::optional<std::string> instance;  // whose journal, on a store of many hosts; as in StorePlace
  std::optional<std::string> store;     // store.url
  std::vector<FlagText> flags;          // of the sections store, state and rights
  bool yes = false;
  std::uint16_t epoch_above = 0;  // recover, on a store of many hosts: an epoch that is known from elsewhere
  std::uint16_t machine = 0;      // heal
};

[[nodiscard]] ExitCode run_recover(const ControlOptions& options, std::istream& in, const Output& output);
[[nodiscard]] ExitCode run_adopt(const ControlOptions& options, std::istream& in, const Output& output);
[[nodiscard]] ExitCode run_heal(const ControlOptions& options, std::istream& in, const Output& output);

}  // namespace gnomon::cmd
