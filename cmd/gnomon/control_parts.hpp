// SPDX-License-Identifier: Apache-2.0
//
// What the actions of gnomon control share: where the state is, which limits may have been in force, and how the
// operator is asked.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "cmd/gnomon/control.hpp"
#include "cmd/gnomon/store_place.hpp"
#include "control/state.hpp"
#include "control/store.hpp"

namespace gnomon::cmd {

struct ControlPlace {
  Configuration configuration;
  std::string directory;  // state.dir; of a store of many hosts it need not be there
  [[nodiscard]] const Settings& settings() const { return configuration.settings; }
};

[[nodiscard]] ReadOr<ControlPlace> place_of(const ControlOptions& options);

/// What nobody stated is taken at the longest that was ever possible: too high a floor costs waiting, too low a one
/// uniqueness.
[[nodiscard]] control::RecoveryLimits limits_of(const Configuration& configuration);
/// The same on a store of many hosts: how far their clocks may be apart counts, too.
[[nodiscard]] control::RecoveryLimits shared_limits_of(const Configuration& configuration);

/// "10.000s, as configured" or "10m 0s, ...": where the limits come from, as part of a sentence.
[[nodiscard]] std::string limits_text(const control::RecoveryLimits& limits);

/// A program that reads JSON can't be asked, and must not be left waiting: it has to agree beforehand.
[[nodiscard]] std::optional<ExitCode> cannot_ask(const ControlOptions& options, const Output& output);

/// True if the operator agrees. Without --yes the answer is read, and only the word itself counts.
[[nodiscard]] bool agreed(const ControlOptions& options, std::string_view word, std::istream& in, const Output& output);

/// Run by root on the state of another user, what was written belongs to root, and the daemon could not open it: so the
/// files that are there go to whoever owns the directory.
void give_to_owner(const std::string& directory, const std::vector<std::string>& files);
/// The files of a store of one host, and others.
void give_to_owner(const control::StatePaths& paths, std::vector<std::string> others);

[[nodiscard]] ExitCode refuse(const Output& output, const control::StateError& error);

/// The same on a store of many hosts.
[[nodiscard]] ExitCode recover_etcd(const ControlPlace& place, const ControlOptions& options, std::istream& in,
                                    const Output& output);
[[nodiscard]] ExitCode adopt_etcd(const ControlPlace& place, const ControlOptions& options, std::istream& in,
                                  const Output& output);

/// What heal says before it asks. `machine` is looked up in what the store holds.
struct HealFacts {
  control::Listing meta;
  control::Listing rights;
  control::Listing sessions;
  time::SmearedUtc now;
  bool shared = false;  // a store of many hosts
};
[[nodiscard]] std::string heal_text(const HealFacts& facts, std::uint16_t machine);

}  // namespace gnomon::cmd
