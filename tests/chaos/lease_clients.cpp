// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "client/lease/lease_client.hpp"
#include "tests/chaos/clients.hpp"
#include "tests/support/child_process.hpp"

namespace gnomon::chaos {
namespace {

using What = support::LeaseLine::What;

constexpr time::Duration kTtl = time::seconds(2);
constexpr time::Duration kWait = time::seconds(3);
constexpr time::Duration kCallDeadline = time::seconds(2);
constexpr int kActs = 6;  // under one grant
constexpr int kBetweenActsMs = 25;
constexpr int kBetweenGrantsMs = 50;

class Holder {
 public:
  Holder(Diary& diary, std::size_t name, const client::Lease& lease, client::TokenGuard& resource)
      : diary_(diary), name_(lease_name(name)), lease_(lease), resource_(resource) {}

  /// Acts until the lease is lost or it is done; whether it was held throughout.
  bool act() {
    if (!note(What::kBegan)) return false;
    for (int i = 0; i < kActs; ++i) {
      support::nap(kBetweenActsMs);
      if (!note(What::kActs)) return false;
      diary_.wrote(static_cast<bool>(resource_.admits(name_, lease_.token())));
    }
    return true;
  }
  /// To be told before the lease is given back.
  void ends() { (void)note(What::kEnded); }

 private:
  // The time is read first: a pause between the two makes a line too old or none, never one that claims a moment at
  // which the lease was gone.
  bool note(What what) {
    const time::Tai now = true_now();
    if (!lease_.holds()) return false;
    diary_.acted({diary_.client(), name_, lease_.token(), what, {now, now}});
    return true;
  }

  Diary& diary_;
  const std::string name_;
  const client::Lease& lease_;
  client::TokenGuard& resource_;
};

}  // namespace

std::string lease_name(std::size_t i) { return fmt::format("chaos/{}", i); }

void hold_leases(Diary& diary, const std::stop_token& stop, const std::string& server, std::uint8_t daemon,
                 client::TokenGuard& resource) {
  const auto client = client::LeaseClient::connect({.servers = {server}, .deadline = kCallDeadline});
  if (!client) return diary.refused(Kind::kLease, client.error().text);
  std::unique_ptr<client::Session> session;
  for (std::size_t turn = daemon; !stop.stop_requested(); ++turn, support::nap(kBetweenGrantsMs)) {
    if (!session || session->belief() == client::Belief::kLost) {
      session.reset();
      auto opened = (*client)->open_session({.ttl = kTtl, .label = diary.client()});
      if (!opened) {
        diary.refused(Kind::kLease, client::text_of(opened.error().kind));
        continue;
      }
      session = std::move(*opened);
    }
    const std::size_t name = turn % kLeaseNames;
    const time::Tai asked = true_now();
    auto lease = session->acquire(lease_name(name), {.wait_for = kWait, .stop = stop});
    if (!lease) {
      diary.refused(Kind::kLease, client::text_of(lease.error().kind));
      continue;
    }
    diary.served({.asked = asked,
                  .answered = true_now(),
                  .first = lease->token(),
                  .last = lease->token(),
                  .domain = name,
                  .kind = Kind::kLease,
                  .daemon = daemon});
    Holder holder(diary, name, *lease, resource);
    if (!holder.act()) continue;
    holder.ends();
    (void)lease->release();
  }
}

}  // namespace gnomon::chaos
