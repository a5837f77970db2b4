// SPDX-License-Identifier: Apache-2.0
//
// The second synced file: what the store acknowledged, remembered outside the store.
//
// A database that was restored from a backup, or whose last pages a disk lost, looks perfectly well: it is a correct
// store, of last week. It would hand out last week's windows again. So each acknowledged commit leaves a note here, in
// a file that no backup of the database carries along, and a store that does not know what is noted is refused.
//
// On a shared store there is a second way to go back: it was recovered meanwhile. That is told by the epoch, which
// every recovery raises, and by the lineage, which every recovery draws anew: two recoveries of one backup reach the
// same epoch, but not the same lineage.
//
// Order: commit, then journal, then use. A crash between the first two leaves the store ahead, which is fine: what was
// not journaled was not used. The file is replaced as a whole (platform/durable_file.hpp) and ends with a checksum.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "control/journal_right.hpp"
#include "control/meta.hpp"
#include "control/state_error.hpp"
#include "control/store.hpp"
#include "oracle/lease/stored_right.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct JournalContent {
  Nonce store{};  // id of the store
  std::uint16_t epoch = 1;
  Revision highest;  // acknowledged commit
  std::map<mint::MachineId, JournalRight> rights;
  Nonce lineage{};  // of a shared store (StoreIdentity::machine); all zero: a store of this host alone
  friend bool operator==(const JournalContent&, const JournalContent&) = default;
};

[[nodiscard]] std::string encode_journal(const JournalContent& content);
[[nodiscard]] tl::expected<JournalContent, lease::ValueFault> parse_journal(std::string_view text);

class Journal {
 public:
  /// An existing journal; nothing if there is no file; kDamaged if it is not one.
  [[nodiscard]] static tl::expected<std::optional<Journal>, StateError> load(const std::string& path);
  /// A new one, synced before this returns.
  [[nodiscard]] static tl::expected<Journal, StateError> create(const std::string& path, const JournalContent& content);

  /// Takes in acknowledged writes and syncs them to disk.
  [[nodiscard]] tl::expected<void, StateError> merge(Revision highest, std::span<const JournalRight> rights);
  [[nodiscard]] const JournalContent& content() const { return content_; }

 private:
  Journal(std::string path, JournalContent content) : path_(std::move(path)), content_(std::move(content)) {}

  std::string path_;
  JournalContent content_;
};

/// How the store goes on from what the journal tells of.
enum class Continuity : std::uint8_t {
  kContinued,  // it knows all that it acknowledged
  kRecovered,  // a recovery has lifted everything above what may have been issued: the journal starts anew
};

/// It does not.
struct Discontinuity {
  enum class Kind : std::uint8_t {
    kWentBack,      // something that was acknowledged is missing
    kOtherLineage,  // likewise, because another recovery led to this epoch
    kOtherStore,
  };
  Kind kind = Kind::kWentBack;
  std::string what;  // "the window of machine id 5 is gone"
};

/// Whether the store is the one that the journal tells of, and knows all that it acknowledged. `rights` are read after
/// `meta`, and the identity has not changed in between.
[[nodiscard]] tl::expected<Continuity, Discontinuity> judge_continuity(const JournalContent& journal,
                                                                       const StoreMeta& meta, const Listing& rights);

/// The same, with what to do about it.
[[nodiscard]] tl::expected<Continuity, StateError> check_continuity(const JournalContent& journal,
                                                                    const StoreMeta& meta, const Listing& rights);

}  // namespace gnomon::control
