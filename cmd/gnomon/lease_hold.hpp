// SPDX-License-Identifier: Apache-2.0
//
// A lease that this process holds: acquired in a way that a signal can interrupt, and with a descriptor that tells when
// it is lost.
//
// Signals are blocked and read from a descriptor, so nothing is ended half way; they are blocked before any thread is
// started, so that no thread takes them. Thread rule: the main thread.
#pragma once

#include <csignal>
#include <memory>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "client/lease/lease_client.hpp"
#include "cmd/exit_code.hpp"
#include "cmd/gnomon/lease_place.hpp"
#include "cmd/gnomon/lease_wish.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::cmd {

/// SIGINT, SIGTERM, SIGHUP and SIGCHLD, from now on until it goes.
class HeldSignals {
 public:
  /// The error is a sentence.
  [[nodiscard]] static tl::expected<HeldSignals, std::string> take();
  HeldSignals(HeldSignals&&) noexcept = default;
  HeldSignals& operator=(HeldSignals&&) = delete;
  /// Restores what was blocked before.
  ~HeldSignals();

  [[nodiscard]] int descriptor() const { return descriptor_.get(); }
  /// The next one that has come, if there is one; SIGCHLD is passed over.
  [[nodiscard]] std::optional<int> next() const;
  /// What was blocked before.
  [[nodiscard]] const sigset_t& before() const { return before_; }

 private:
  HeldSignals() = default;
  platform::UniqueFd descriptor_;
  sigset_t before_{};
};

/// The members stand in the order in which the language must end them, from the last to the first.
struct HeldLease {
  platform::UniqueFd lost;  // readable once the session is lost
  std::shared_ptr<client::LeaseClient> client;
  std::unique_ptr<client::Session> session;
  std::unique_ptr<client::Lease> lease;
};

struct HoldFailure {
  ExitCode code = ExitCode::kRefused;
  std::string text;
  int signal = 0;  // that came meanwhile; then there is no text
};

/// Waits as the wish says. A signal ends the wait, and the session with it.
[[nodiscard]] tl::expected<HeldLease, HoldFailure> take_lease(const LeasePlace& place, const CheckedWish& wish,
                                                              const std::string& label, const HeldSignals& signals);

}  // namespace gnomon::cmd
