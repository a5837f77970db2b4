// SPDX-License-Identifier: Apache-2.0
//
// Recovery of a shared store: what recover.cpp does to a database, done by commits while other hosts may be at it.
//
// What was lost is not known, so what was issued isn't either. As there, two lifts make up for it: each right that is
// held is released at the highest ceiling that the store or this host's journal tells of, and no window of any id
// starts below now + window + max_lead + what clocks that pass the vote may be apart (unnoticed_lead).
// recovery_plan.hpp says what that comes to.
//
// Every commit of a recovery rewrites `meta/store` and compares it. That stops every daemon from the first one on; it
// keeps two recoveries apart; and it decides about a lost answer, for the value carries a fresh nonce. Where one commit
// is not enough (etcd takes 128 operations unless told otherwise), the first one seals the store and raises the floor,
// and the last one, which alone writes the new epoch and lineage, takes the seal away: a recovery that ends in between
// leaves a store that nobody uses, and the next one finds less to do.
#include <algorithm>
#include <ctime>
#include <span>
#include <utility>

#include "control/recovery_plan.hpp"
#include "control/shared_state.hpp"
#include "oracle/canary.hpp"
#include "platform/random.hpp"

namespace gnomon::control {
namespace {

using time::SmearedUtc;

constexpr int kAttempts = 8;                 // against other writers, and lost answers
constexpr std::size_t kMaxOperations = 128;  // compares, and puts with deletes: etcd's --max-txn-ops
constexpr std::size_t kOwnOperations = 3;    // of one commit at most, beside those of rights: identity, floor, seal
constexpr std::size_t kLiftsPerCommit = (kMaxOperations - kOwnOperations) / 2;

tl::unexpected<StateError> refuse(StateErrorKind kind, std::string text) {
  return tl::make_unexpected(StateError{kind, std::move(text)});
}

void add_lifts(Transaction& transaction, std::span<const Lift> lifts, const Nonce& nonce) {
  for (const Lift& lift : lifts) {
    const lease::Window window{lift.ceiling, lift.ceiling, lift.token, lease::WindowState::kReleased, nonce};
    transaction.compares.push_back({lease::grant_key(lift.machine), lift.grant});
    transaction.compares.push_back({lease::window_key(lift.machine), lift.window});
    transaction.puts.push_back({lease::window_key(lift.machine), lease::encode(window)});
    if (lift.drop_grant) transaction.deletes.push_back(lease::grant_key(lift.machine));
  }
}

enum class Step : std::uint8_t { kDone, kDisturbed };

/// Carries the commits out, one upon the other.
class Recovery {
 public:
  Recovery(Store& store, Revision identity, Revision floor, Revision seal)
      : store_(store), identity_(identity), floor_(floor), seal_(seal) {}

  /// Begins a commit that rewrites the identity.
  Transaction begin(const StoreIdentity& identity, const Nonce& nonce) const {
    Transaction transaction;
    transaction.compares.push_back({std::string(lease::kStoreKey), identity_});
    transaction.compares.push_back({std::string(kSealKey), seal_});
    transaction.puts.push_back({std::string(lease::kStoreKey), encode_identity(identity, nonce)});
    return transaction;
  }
  void raise_floor(Transaction& transaction, SmearedUtc floor, const Nonce& nonce) const {
    if (canary::planted(canary::Bug::kKeptFloor)) return;
    transaction.compares.push_back({std::string(kFloorKey), floor_});
    transaction.puts.push_back({std::string(kFloorKey), encode_floor(floor, nonce)});
  }
  void seal(Transaction& transaction, const Nonce& nonce) const {
    if (seal_ != Revision{}) return;
    const Seal seal{static_cast<std::int64_t>(std::time(nullptr)),
                    "`gnomon control recover`, which has not come to its end"};
    transaction.puts.push_back({std::string(kSealKey), encode_seal(seal, nonce)});
  }
  void unseal(Transaction& transaction) const {
    if (seal_ != Revision{}) transaction.deletes.emplace_back(kSealKey);
  }

  /// kDisturbed: somebody else has written the identity since it was read: everything has to be looked at anew.
  tl::expected<Step, StateError> commit(const Transaction& transaction) {
    const std::string& written = transaction.puts.front().value;  // the identity
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const auto committed = store_.commit(transaction);
      if (committed) return landed(transaction, *committed);
      const StoreErrorKind kind = committed.error().kind;
      if (kind == StoreErrorKind::kFatal || kind == StoreErrorKind::kUnavailable)
        return tl::make_unexpected(state_error_of(committed.error()));
      const auto got = store_.get(lease::kStoreKey);
      if (!got) return tl::make_unexpected(state_error_of(got.error()));
      const std::optional<Entry>& found = *got;
      if (found && found->value == written) return landed(transaction, found->modified);
      const Revision now = found ? found->modified : Revision{};
      if (kind == StoreErrorKind::kConflict || now != identity_) return Step::kDisturbed;
      // The lost one may still land; being compared with the same revisions, only one of the two will.
    }
    return refuse(StateErrorKind::kUnreachable, "the store's answers are lost again and again; run it again later");
  }

  [[nodiscard]] Revision identity() const { return identity_; }
  [[nodiscard]] std::size_t commits() const { return commits_; }

 private:
  Step landed(const Transaction& transaction, Revision revision) {
    identity_ = revision;
    for (const Put& put : transaction.puts) {
      if (put.key == kFloorKey) floor_ = revision;
      if (put.key == kSealKey) seal_ = revision;
    }
    ++commits_;
    return Step::kDone;
  }

  Store& store_;
  Revision identity_;  // each as it is in the store
  Revision floor_;
  Revision seal_;
  std::size_t commits_ = 0;
};

tl::expected<Step, StateError> carry_out(Recovery& recovery, const StoreIdentity& before, const StoreIdentity& after,
                                         SmearedUtc floor, std::span<const Lift> lifts) {
  const auto fresh = [] { return platform::random_value<Nonce>(); };
  const bool at_once = lifts.size() <= kLiftsPerCommit;
  if (!at_once) {
    const Nonce nonce = fresh();
    Transaction first = recovery.begin(before, nonce);
    recovery.raise_floor(first, floor, nonce);
    recovery.seal(first, nonce);
    if (auto done = recovery.commit(first); !done || *done == Step::kDisturbed) return done;
  }
  for (; lifts.size() > kLiftsPerCommit; lifts = lifts.subspan(kLiftsPerCommit)) {
    const Nonce nonce = fresh();
    Transaction batch = recovery.begin(before, nonce);
    add_lifts(batch, lifts.first(kLiftsPerCommit), nonce);
    if (auto done = recovery.commit(batch); !done || *done == Step::kDisturbed) return done;
  }
  const Nonce nonce = fresh();
  Transaction last = recovery.begin(after, nonce);
  recovery.raise_floor(last, floor, nonce);
  recovery.unseal(last);
  add_lifts(last, lifts, nonce);
  return recovery.commit(last);
}

// The journal of this host, if it is there and counts.
tl::expected<std::optional<JournalContent>, StateError> journal_of(const SharedPaths* paths) {
  if (paths == nullptr) return std::optional<JournalContent>{};
  const auto loaded = Journal::load(paths->journal);
  if (!loaded && loaded.error().kind != StateErrorKind::kDamaged) return tl::make_unexpected(loaded.error());
  const std::optional<Journal> journal = loaded.value_or(std::optional<Journal>{});
  return journal ? std::optional(journal->content()) : std::nullopt;
}

tl::expected<StoreIdentity, StateError> identity_before(const Survey& survey, const JournalContent* journal,
                                                        std::uint16_t epoch) {
  const auto fresh = [] { return platform::random_value<Nonce>(); };
  if (survey.identity) {
    if (journal == nullptr || journal->store == survey.identity->id) return *survey.identity;
    return refuse(StateErrorKind::kOtherStore,
                  "the store at this address is not the one that this host belongs to: its id is " +
                      lease::hex_of(survey.identity->id) + ", the journal's is " + lease::hex_of(journal->store) +
                      ". A recovery stops every daemon of a store; correct store.url (endpoints and prefix), or run "
                      "`gnomon control adopt` first");
  }
  if (journal != nullptr) return StoreIdentity{journal->store, fresh(), std::max<std::uint16_t>(epoch, 1)};
  if (survey.rights.rights.empty() && survey.rights.unreadable.empty() && survey.find(lease::kStoreKey) == nullptr)
    return refuse(StateErrorKind::kIncomplete,
                  "there is nothing to recover: the store is empty, and this host has no journal; check store.url "
                  "(endpoints and prefix)");
  return StoreIdentity{fresh(), fresh(), std::max<std::uint16_t>(epoch, 1)};
}

}  // namespace

tl::expected<SharedRecoveryReport, StateError> recover_shared(Store& store, const SharedPaths* paths,
                                                              const RecoveryLimits& limits, std::uint16_t epoch_above) {
  std::optional<WriterLock> lock;
  if (paths != nullptr) {
    auto taken = WriterLock::take(paths->lock, "gnomon control recover");
    if (!taken) return tl::make_unexpected(taken.error());
    lock = std::move(*taken);
  }
  const auto loaded = journal_of(paths);
  if (!loaded) return tl::make_unexpected(loaded.error());
  const std::optional<JournalContent>& noted = *loaded;
  const JournalContent* const journal = noted ? &*noted : nullptr;

  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto survey = survey_store(store);
    if (!survey) return tl::make_unexpected(survey.error());
    const std::uint16_t epoch = highest_epoch(*survey, journal, epoch_above);
    if (epoch == UINT16_MAX)
      return refuse(StateErrorKind::kSystem,
                    "the store has used up its 65,535 epochs; start with an empty store (another prefix) and machine "
                    "ids that were never used");
    const auto before = identity_before(*survey, journal, epoch);
    if (!before) return tl::make_unexpected(before.error());
    const StoreIdentity after{before->id, platform::random_value<Nonce>(), static_cast<std::uint16_t>(epoch + 1)};
    const SmearedUtc floor = std::max(survey->old_floor, limits.floor());
    const std::vector<Lift> lifts = plan_lifts(*survey, journal, floor);

    Recovery recovery(store, survey->revision_of(lease::kStoreKey), survey->revision_of(kFloorKey),
                      survey->revision_of(kSealKey));
    const auto done = carry_out(recovery, *before, after, floor, lifts);
    if (!done) return tl::make_unexpected(done.error());
    if (*done == Step::kDisturbed) continue;
    if (paths != nullptr) {
      const JournalContent content{after.id, after.epoch, recovery.identity(), {}, after.machine};
      if (auto written = Journal::create(paths->journal, content); !written)
        return tl::make_unexpected(written.error());
    }
    SharedRecoveryReport report;
    report.epoch = after.epoch;
    report.entries = survey->listing.entries.size();
    report.released = lifts.size();
    report.unreadable = static_cast<std::size_t>(
        std::count_if(lifts.begin(), lifts.end(), [](const Lift& lift) { return !lift.readable; }));
    report.left = survey->left;
    report.journal_was_whole = journal != nullptr;
    report.sealed = survey->sealed;
    report.floor = floor;
    report.commits = recovery.commits();
    return report;
  }
  return refuse(StateErrorKind::kUnreachable,
                "the store could not be recovered in peace: others keep writing it; stop all daemons and run it again");
}

}  // namespace gnomon::control
