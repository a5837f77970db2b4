// SPDX-License-Identifier: Apache-2.0
//
// Everything that etcd ever held of the rights of a test, in order, and what must be true of it.
//
// What daemons say of themselves is no proof that a command took effect once: a daemon whose commit was done twice
// knows of one. etcd keeps every revision, so each write of each right is read from there, by etcd's own tool, and
// judged against the rules from outside:
//
//   - windows of one machine id don't overlap: the next holding's floor is not below the last ceiling before it;
//   - no window or grant is written by one and the same command (its nonce) at two revisions;
//   - tokens grow, and every window says the token of the grant that it stands under;
//   - within a holding the floor stays, and only a release lowers the ceiling;
//   - an ID that a client received lies in the window that etcd has for its machine id and token.
//
// Pure but for `read`. Thread rule: none.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oracle/lease/stored_right.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/support/ledger.hpp"

namespace gnomon::bed {

/// One write of one key, or its deletion, as etcd remembers it.
struct RightWrite {
  std::string key;  // without the prefix of the store
  std::string value;
  std::uint64_t revision = 0;
  bool deleted = false;
  friend bool operator==(const RightWrite&, const RightWrite&) = default;
};

/// What `etcdctl get` and `etcdctl watch` print with `-w json`, keys below "gnomon/" only.
[[nodiscard]] std::vector<RightWrite> parse_etcdctl_json(std::string_view text);

/// All writes of rights from revision `from` to now, in order. Throws std::runtime_error if etcd does not tell them.
[[nodiscard]] std::vector<RightWrite> read_right_writes(const EtcdCluster& etcd, const EtcdOptions& options,
                                                        std::uint64_t from = 1);

class RightChronicle {
 public:
  explicit RightChronicle(const std::vector<RightWrite>& writes);

  /// What the rights did wrong; empty: nothing.
  [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }
  /// IDs that no holding allowed; the first ones of them, in words.
  [[nodiscard]] std::vector<std::string> faults_of(const support::Ledger& ledger) const;
  /// The same for what was received while nothing could be committed: of the windows only what ended before `bound`.
  [[nodiscard]] std::vector<std::string> faults_of(const support::Ledger& ledger, time::SmearedUtc bound) const;

  [[nodiscard]] std::size_t holdings() const { return holdings_.size(); }
  [[nodiscard]] std::size_t writes() const { return writes_; }

 private:
  struct Holding {
    mint::Token token;
    time::SmearedUtc floor;
    std::vector<time::SmearedUtc> ceilings;  // as written, one after the other; a release is the last one
    bool released = false;
  };
  using HoldingKey = std::pair<mint::MachineId, std::uint32_t>;  // the low half of the token, as replies carry it

  void take_grant(mint::MachineId machine, const RightWrite& write);
  void take_window(mint::MachineId machine, const RightWrite& write);
  void begin(mint::MachineId machine, const lease::Window& window, const RightWrite& write);
  void go_on(Holding& holding, const lease::Window& window, const RightWrite& write);
  void note_nonce(const RightWrite& write, const lease::Nonce& nonce);
  void fault(const RightWrite& write, const std::string& what);

  std::map<HoldingKey, Holding> holdings_;
  std::map<mint::MachineId, HoldingKey> present_;
  std::map<mint::MachineId, std::pair<std::uint64_t, std::uint16_t>> granted_;  // revision and epoch of the grant
  std::map<std::pair<std::string, lease::Nonce>, std::uint64_t> written_by_;    // revision
  std::size_t writes_ = 0;
  std::vector<std::string> faults_;
};

}  // namespace gnomon::bed
