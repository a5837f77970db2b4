// SPDX-License-Identifier: Apache-2.0
//
// The estate of a daemon that died without giving its rights back: what its pages prove of their use, and the one
// commit that gives back exactly that.
//
// The naive supervisor reads "last used" and lowers the ceiling to it. But a page may be half written, belong to
// another run, or be a stranger's file, and a ceiling that is too low is a duplicate; one that is too high costs a
// wait of a window at most. So everything has to agree before a right is given back, and whatever does not is left to
// run out by itself, with the reason told:
//
//   - the pages are of this kind and version, of one incarnation, made by the dead process and after it was started;
//   - the rights page shows the right: an empty set is a revocation under way, and that of a clone is never released;
//   - the worker began with that set, and the right's slot has the same token and machine id and a check word that
//     agrees; or it had not begun, no slot knows the token, and the right was used up to its floor. A worker stores
//     its slots and then acknowledges before it answers anything under a new set (oracle/serve/server.cpp);
//   - floor <= used until <= ceiling + the longest unit;
//   - the store still has the right as held, under that token, by that incarnation, with that floor, and with a
//     ceiling that is not lower. On a store that others share the last write is also the one that the journal knows:
//     a copy of the dead process (a cloned machine) writes under the same token.
//
// The caller makes sure that the process is dead: it holds the lock of the pages (cmd/gnomond/page_lock.hpp), which
// their daemon never lets go. Reading is pure; giving back blocks on the store. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/journal.hpp"
#include "control/store.hpp"
#include "oracle/lease/right_rules.hpp"
#include "oracle/mint/right.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

/// The incarnation of a daemon as its pages and replies name it: the first 8 bytes of the one in its grants.
[[nodiscard]] std::uint64_t page_incarnation(const Nonce& incarnation);

struct DeadProcess {
  std::uint64_t pid = 0;
  time::Uptime started;  // before this its pages can't have been made
};

/// A right as the dead one's page shows it, and how far it was used.
struct EstatePart {
  mint::Right right;
  time::SmearedUtc used_until;
  friend bool operator==(const EstatePart&, const EstatePart&) = default;
};

struct Estate {
  std::uint64_t incarnation = 0;
  std::vector<EstatePart> parts;
  std::vector<std::string> left;  // rights that run out by themselves, and why
};

/// `workers`: the page of each worker by its index, null if there is none that can be used. The error says why the
/// pages are not those of the dead process at all.
[[nodiscard]] tl::expected<Estate, std::string> read_estate(const page::RightsPage& rights,
                                                            std::span<const page::WorkerPage* const> workers,
                                                            const DeadProcess& dead);

/// Where an estate is given back to.
struct EstateStore {
  Store& store;
  Journal& journal;
  lease::StoreFacts facts{};
  bool exclusive = true;  // nobody else can write there while we hold its lock
};

struct EstateHooks {
  std::function<Nonce()> nonce;  // a fresh one for each commit
  std::function<void()> pause;   // before trying once more; may be empty
};

struct EstateReport {
  std::vector<mint::MachineId> released;
  std::vector<std::string> left;  // as Estate::left, and what the store said against
  bool session_deleted = false;
  std::string journal_fault;  // the release is committed, and the journal does not know; empty: it does
};

/// At most so many commits and listings are tried.
constexpr int kEstateTries = 40;

/// One commit for all of them, and for the session of that incarnation if there is one. An error: nothing is known to
/// have been given back, and what is held runs out.
[[nodiscard]] tl::expected<EstateReport, StoreError> release_estate(const EstateStore& to, const Estate& estate,
                                                                    const EstateHooks& hooks);

}  // namespace gnomon::control
