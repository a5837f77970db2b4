// SPDX-License-Identifier: Apache-2.0
//
// Why a command about leases is refused, as sentences for whoever reads a log at night: what happened, to which name or
// session, who is in the way, what to do. The rules decide; here it is only said.
//
// Pure. Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oracle/lease/lease_facts.hpp"

namespace gnomon::lease {

/// Why the asker may not act under its session at all: it is not there, is unreadable, or is another principal's.
[[nodiscard]] std::optional<answer::Refused> refuse_stranger(const Scene& scene, const Asker& asker);
/// The same, or that it is over.
[[nodiscard]] std::optional<answer::Refused> refuse_session(const Scene& scene, const Asker& asker);
[[nodiscard]] answer::Refused session_over(const ClientSession& session, const Asker& asker);

[[nodiscard]] std::optional<answer::Refused> refuse_name(std::string_view name);
[[nodiscard]] std::optional<answer::Refused> refuse_ttl(const LeasePolicy& policy, time::Duration ttl);
[[nodiscard]] std::optional<answer::Refused> refuse_label(std::string_view label);
[[nodiscard]] std::optional<answer::Refused> refuse_principal(std::string_view principal);
[[nodiscard]] std::optional<answer::Refused> refuse_terms(const AcquireCommand& command);  // metadata and lock-delay

[[nodiscard]] answer::Refused held_by_other(std::string_view name, const Hold& hold, const Moment& moment);
[[nodiscard]] answer::Refused others_wait(std::string_view name, const Place& place);
[[nodiscard]] answer::Refused quarantined(std::string_view name, const Hold& hold, const Moment& moment);
[[nodiscard]] answer::Refused unreadable(std::string_view name, const Hold& hold);
[[nodiscard]] answer::Refused not_held(std::string_view name, const SessionId& session, mint::Token token,
                                       const Scene& scene);
[[nodiscard]] answer::Refused nothing_to_break(std::string_view name);

}  // namespace gnomon::lease
