// SPDX-License-Identifier: Apache-2.0
//
// The history of rights: who took which machine ids when, kept after the rights themselves have moved on. The auditor
// asks it "who could have issued this ID?".
//
//   history/<now ns, 20 digits>-<16 hex digits of the nonce>   one entry for each acquisition, written in its commit
//
// Being of the same commit, an entry has the revision of its grants, and so tells their token. It is written once;
// extensions and releases don't touch it: where a right ended is where the next one of the same id begins.
//
// "The last acquisition whose floor is not above t" is the obvious answer, and it accuses the wrong one wherever an
// entry in between is missing: pruned, damaged, or lost with a restored store. So each entry names the acquisition that
// stood before it, and the answer is certain only along an unbroken chain:
//   - the next entry names this one as the one before, and both stand in one epoch. Between two epochs lies a recovery,
//     which lifts every floor exactly because it does not know what was granted before;
//   - of the newest entry: the present window stands under its token, in the store's present epoch.
// The order is that of revisions. The time in a key is what the taker's clock said; it only decides what is old.
// Pure. Thread rule: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/lease/record.hpp"
#include "oracle/lease/right_rules.hpp"
#include "oracle/lease/stored_right.hpp"
#include "oracle/lease/text_value.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::lease {

constexpr std::string_view kHistoryPrefix = "history/";

/// One machine id of an acquisition.
struct Taken {
  time::SmearedUtc floor;
  std::optional<Revision> previous;  // of the acquisition before; none: the id was never used; {0}: not known
  friend bool operator==(const Taken&, const Taken&) = default;
};

struct Acquisition {
  Nonce nonce{};  // of its commit
  Nonce incarnation{};
  std::uint16_t epoch = 0;
  std::map<mint::MachineId, Taken> taken;
  std::string holder;
  friend bool operator==(const Acquisition&, const Acquisition&) = default;
};

[[nodiscard]] std::string history_key(time::SmearedUtc now, const Nonce& nonce);
/// What the taker's clock said; nothing if the key is not one of the history.
[[nodiscard]] std::optional<time::SmearedUtc> instant_of_history(std::string_view key);
/// Nothing taken is no acquisition: at least one machine id.
[[nodiscard]] std::string encode(const Acquisition& acquisition);
[[nodiscard]] tl::expected<Acquisition, ValueFault> parse_history(std::string_view text);

/// What an acquisition of this right records. `right`: what the store has of it, nullptr if nothing.
[[nodiscard]] Taken taken_after(const StoredRight* right, time::SmearedUtc floor);

struct Recorded {
  std::string key;
  time::SmearedUtc at;  // by the taker's clock
  Revision revision;    // of the grants, too
  Acquisition acquisition;

  [[nodiscard]] mint::Token token() const { return make_token(acquisition.epoch, revision); }
};

struct History {
  std::vector<Recorded> recorded;       // by revision
  std::vector<std::string> unreadable;  // key, and what is wrong with it
};
/// Reads the entries under kHistoryPrefix.
[[nodiscard]] History read_history(const Listing& listing);

/// Deletes entries of before this instant, the oldest first, at most `most` of them, and never the newest one of a
/// machine id, nor what can't be read. No deletes: nothing is left to do. The store's identity is for the caller to
/// compare.
[[nodiscard]] Transaction prune(const Listing& listing, time::SmearedUtc before, std::size_t most);

struct AuditFinding {
  enum class Verdict : std::uint8_t {
    kHolder,   // this acquisition and nobody else
    kNobody,   // no window of this id reaches there, now
    kUnknown,  // what would tell is missing; `holder`, if given, could have, but others could have, too
  };
  struct Holder {
    mint::Token token;
    std::string holder;
    Nonce incarnation{};
    time::SmearedUtc floor;
    std::optional<time::SmearedUtc> end;  // its window reached no further; none: not known
    time::SmearedUtc at;                  // taken then, by the holder's clock
  };
  Verdict verdict = Verdict::kUnknown;
  std::optional<Holder> holder;
  std::optional<time::SmearedUtc> back_to;  // the history of this id begins with this floor; none: there is none
  std::string text;                         // what it rests on
};

/// Who could have issued an ID under `machine` whose unit starts at `t`. All three were read from one store, its
/// identity and the rights not before the history.
[[nodiscard]] AuditFinding who_could_have(const History& history, const RightTable& rights, const StoreFacts& store,
                                          mint::MachineId machine, time::SmearedUtc t);

}  // namespace gnomon::lease
