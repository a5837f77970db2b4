// SPDX-License-Identifier: Apache-2.0
//
// A machine is copied while it runs, nothing tells it, and the store hears the copy first: the copy has extended all
// that both hold, under the token of both, and perhaps written the session of both. What the copy issues can't be run
// here (docs/limits.md); what it writes to the store can. From then on whatever lies above the ceilings of that moment
// is the copy's: the original may use its rights up to there, and has to find out.
#include <algorithm>

#include "oracle/lease/session.hpp"
#include "oracle/lease/stored_right.hpp"
#include "tests/sim/shared_world.hpp"

namespace gnomon::sim {

namespace {

control::Nonce nonce_from(Random& random) {
  control::Nonce nonce;
  for (std::uint8_t& byte : nonce)
    byte = static_cast<std::uint8_t>(random.below(256));
  return nonce;
}

}  // namespace

bool SharedWorld::copy_machine(std::uint32_t host) {
  Seat& seat = seats_[host];
  if (!seat.daemon || doubtful_ || restoring_ || is_mad(host)) return false;
  const control::Nonce nonce = nonce_from(env_.hard_random);
  control::Transaction transaction = extension_by_copy(*seat.daemon, nonce);
  if (transaction.puts.empty()) return false;
  const std::string session_key = lease::session_key(seat.daemon->nonce());
  bool writes_session = false;
  const control::Entry* entry = env_.store.find(session_key);
  if (entry != nullptr && env_.hard_random.below(2) == 0)
    if (auto session = lease::parse_session(entry->value)) {
      session->nonce = nonce;
      transaction.puts.push_back({session_key, lease::encode(*session)});
      writes_session = true;
    }
  const control::Revision revision = *env_.store.commit(transaction);
  env_.landed(transaction, revision, {Committer::Kind::kAgent, host, seat.daemon->number()}, env_.now());
  if (writes_session) seat.copied = seat.daemon->number();
  disturb(host, env_.scenario.window * 2);  // until it has found out, and what the copy took has run out
  return true;
}

control::Transaction SharedWorld::extension_by_copy(const Incarnation& daemon, const control::Nonce& nonce) {
  const lease::RightTable table = lease::read_rights(env_.store.list(lease::kRightPrefix)->entries);
  control::Transaction transaction;
  for (const mint::RightSet& set : daemon.view().published)
    for (const mint::Right& right : set.rights()) {
      const lease::StoredRight* stored = table.find(right.machine);
      if (stored == nullptr || !stored->window || stored->token() != right.token) continue;
      lease::Window window = stored->window->value;
      if (window.state != lease::WindowState::kHeld) continue;
      env_.windows.copied(right.machine, right.token);
      window.ceiling = std::max(window.ceiling, SystemClock::honest(env_.now()) + env_.scenario.window);
      window.token = right.token;
      window.nonce = nonce;
      transaction.puts.push_back({lease::window_key(right.machine), lease::encode(window)});
    }
  return transaction;
}

// What one of two copies says that was not the first to write their session.
bool SharedWorld::ends_as_a_copy(std::uint32_t host, const std::string& text) {
  if (seats_[host].copied != seats_[host].daemon->number()) return false;
  if (text.find("a copy of this process") == std::string::npos) return false;
  ++env_.hardships.copies_found;
  return true;
}

}  // namespace gnomon::sim
