// SPDX-License-Identifier: Apache-2.0
//
// gnomon control: the two ways out when a daemon refuses its state. Both change what may be issued, so both say what
// they are about to do and ask, and neither works while a daemon has the state open.
//
//   recover   makes a usable state out of what can still be read: raises the epoch and all floors above anything that
//   may
//             have been issued
//   adopt     binds a state that was moved here to this machine, on the operator's word that the original is out of use
#pragma once

#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "cmd/gnomon/output.hpp"
#include "cmd/options/resolve.hpp"

namespace gnomon::cmd {

struct ControlOptions {
  std::optional<std::string> config;
  std::vector<FlagText> flags;  // store.url, state.dir, rights.window_ms, rights.max_lead_ms
  bool yes = false;
};

[[nodiscard]] ExitCode run_recover(const ControlOptions& options, std::istream& in, const Output& output);
[[nodiscard]] ExitCode run_adopt(const ControlOptions& options, std::istream& in, const Output& output);

}  // namespace gnomon::cmd
