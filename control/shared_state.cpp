// SPDX-License-Identifier: Apache-2.0
//
// Opening, sealing and adopting. The recovery stands in shared_recovery.cpp, healing in heal_right.cpp.
#include "control/shared_state.hpp"

#include <ctime>
#include <utility>

#include "oracle/canary.hpp"
#include "platform/durable_file.hpp"
#include "platform/random.hpp"

namespace gnomon::control {
namespace {

constexpr int kAttempts = 8;  // against other writers, and lost answers

tl::unexpected<StateError> refuse(StateErrorKind kind, std::string text) {
  return tl::make_unexpected(StateError{kind, std::move(text)});
}

tl::unexpected<StateError> kept_changing() {
  return refuse(StateErrorKind::kUnreachable,
                "the store's identity could not be read or written in peace: others keep writing it, or answers are "
                "lost; try again");
}

// What follows a commit that did not succeed: reading again, or giving up.
bool worth_reading_again(const StoreError& error) {
  return error.kind == StoreErrorKind::kConflict || error.kind == StoreErrorKind::kUnknown;
}

/// Identity and rights of one moment: the identity is the same before and after the rights were read.
struct View {
  MetaView meta;
  Listing rights;
};

tl::expected<View, StateError> view_all(Store& store) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto viewed = view_meta(store);
    if (!viewed) return tl::make_unexpected(viewed.error());
    const MetaView& before = *viewed;
    auto rights = store.list(lease::kRightPrefix);
    if (!rights) return tl::make_unexpected(state_error_of(rights.error()));
    const auto got = store.get(lease::kStoreKey);
    if (!got) return tl::make_unexpected(state_error_of(got.error()));
    const std::optional<Entry>& now = *got;
    const Revision read = before.meta ? before.meta->facts.identity : Revision{};
    if ((now ? now->modified : Revision{}) == read) return View{before, std::move(*rights)};
  }
  return kept_changing();
}

// True: it was this commit that gave the store its identity. False: look again.
tl::expected<bool, StateError> create_identity(Store& store) {
  const auto random = [] { return platform::random_value<Nonce>(); };
  const StoreIdentity identity{random(), random(), 1};
  const std::string key(lease::kStoreKey);
  const std::string value = encode_identity(identity, random());
  const auto committed = store.commit({{{key, Revision{}}}, {{key, value}}, {}});
  if (committed) return true;
  if (!worth_reading_again(committed.error())) return tl::make_unexpected(state_error_of(committed.error()));
  const auto got = store.get(key);
  if (!got) return tl::make_unexpected(state_error_of(got.error()));
  const std::optional<Entry>& found = *got;
  return found && found->value == value;
}

struct Opened {
  View view;
  bool created = false;
};

tl::expected<Opened, StateError> view_or_create(Store& store, bool may_create) {
  bool created = false;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto view = view_all(store);
    if (!view) return tl::make_unexpected(view.error());
    if (view->meta.meta || view->meta.sealed) return Opened{std::move(*view), created};
    if (!view->rights.entries.empty())
      return refuse(StateErrorKind::kDamaged, "the store has rights, but no " + std::string(lease::kStoreKey) +
                                                  ": it does not say which store it is; run `gnomon control recover`");
    if (!may_create)
      return refuse(StateErrorKind::kWentBack,
                    "the store is empty, but this host's journal tells of what it acknowledged. Check store.url "
                    "(endpoints and prefix); if its data are lost, put the newest backup back and run `gnomon control "
                    "recover`, which also makes a new store in place of one that is lost for good");
    auto made = create_identity(store);
    if (!made) return tl::make_unexpected(made.error());
    created = *made;
  }
  return kept_changing();
}

JournalContent fresh_journal(const StoreMeta& meta, Revision at) {
  return {meta.identity.id, meta.identity.epoch, at, {}, meta.identity.machine};
}

StoreIdentity identity_in(const JournalContent& journal) { return {journal.store, journal.lineage, journal.epoch}; }

// The store is not what the journal tells of: it is sealed if it is the same one, and refused in any case.
StateError refuse_and_seal(Store& store, const JournalContent& journal, StateError refusal, const Discontinuity& found,
                           const std::string& who) {
  if (refusal.kind != StateErrorKind::kWentBack) return refusal;
  const auto sealed = seal_store(store, identity_in(journal), who + ": " + found.what);
  if (!sealed)
    refusal.text += ". It could not be sealed, so other hosts may go on using it: " + sealed.error().text;
  else if (*sealed == SealOutcome::kSealed)
    refusal.text += ". It is sealed now: no daemon of any host can go on with it";
  return refusal;
}

tl::expected<Journal, StateError> continue_journal(Store& store, const SharedPaths& paths, const StoreMeta& meta,
                                                   const Listing& rights, std::optional<Journal> journal,
                                                   const std::string& who) {
  if (!journal) return Journal::create(paths.journal, fresh_journal(meta, rights.at));
  const JournalContent& content = journal->content();
  const auto found = judge_continuity(content, meta, rights);
  if (!found) {
    auto advice = check_continuity(content, meta, rights);
    return tl::make_unexpected(refuse_and_seal(store, content, std::move(advice.error()), found.error(), who));
  }
  if (*found == Continuity::kContinued) return std::move(*journal);
  return Journal::create(paths.journal, fresh_journal(meta, rights.at));
}

// A journal that can't be read costs a recovery where the store is this host's alone; here the other hosts vouch.
StateError advise_on_damage(StateError error, const SharedPaths& paths) {
  if (error.kind == StateErrorKind::kDamaged)
    error.text = "this host's journal " + paths.journal +
                 " is damaged, so this host can't tell whether the store is the newest; if the store was not put back "
                 "from a backup, run `gnomon control adopt`, else `gnomon control recover`";
  return error;
}

// Renames the journal to the first name that is free.
tl::expected<std::string, StateError> put_aside(const std::string& path) {
  std::string aside;
  for (int n = 1; aside.empty() || platform::exists(aside); ++n)
    aside = path + ".aside-" + std::to_string(n);
  if (auto moved = platform::rename_durably(path, aside); !moved)
    return refuse(StateErrorKind::kSystem, moved.error().text);
  return aside;
}

}  // namespace

tl::expected<SharedState, StateError> open_shared(Store& store, const SharedPaths& paths, const std::string& who) {
  auto lock = WriterLock::take(paths.lock, who);
  if (!lock) return tl::make_unexpected(lock.error());
  auto journal = Journal::load(paths.journal);
  if (!journal && canary::planted(canary::Bug::kForgottenDamage)) journal = std::optional<Journal>{};
  if (!journal) return tl::make_unexpected(advise_on_damage(journal.error(), paths));
  auto opened = view_or_create(store, !journal->has_value());
  if (!opened) return tl::make_unexpected(opened.error());
  const auto& [meta, sealed, at] = opened->view.meta;
  if (sealed && !canary::planted(canary::Bug::kIgnoredSeal)) return tl::make_unexpected(refusal_of(*sealed));
  if (!meta) return kept_changing();
  auto continued = continue_journal(store, paths, *meta, opened->view.rights, std::move(*journal), who);
  if (!continued) return tl::make_unexpected(continued.error());
  return SharedState{std::move(*lock), std::move(*continued), *meta, opened->created};
}

tl::expected<SealOutcome, StateError> seal_store(Store& store, const StoreIdentity& known, std::string_view why) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto viewed = view_meta(store);
    if (!viewed) return tl::make_unexpected(viewed.error());
    const auto& [meta, sealed, at] = *viewed;
    if (!meta || meta->identity.id != known.id) return SealOutcome::kNotOurs;
    if (meta->identity.epoch > known.epoch) return SealOutcome::kRecovered;
    if (sealed) return SealOutcome::kSealed;
    const auto nonce = platform::random_value<Nonce>();
    const Seal seal{static_cast<std::int64_t>(std::time(nullptr)), std::string(why)};
    Transaction transaction;
    transaction.compares.push_back({std::string(lease::kStoreKey), meta->facts.identity});
    transaction.compares.push_back({std::string(kSealKey), Revision{}});
    transaction.puts.push_back({std::string(lease::kStoreKey), encode_identity(meta->identity, nonce)});
    transaction.puts.push_back({std::string(kSealKey), encode_seal(seal, nonce)});
    const auto committed = store.commit(transaction);
    if (committed) return SealOutcome::kSealed;
    // Whoever was faster, and whether a lost commit landed, the next reading shows.
    if (!worth_reading_again(committed.error())) return tl::make_unexpected(state_error_of(committed.error()));
  }
  return kept_changing();
}

tl::expected<std::optional<Seal>, StateError> is_sealed(Store& store) {
  return view_meta(store).map([](const MetaView& view) { return view.sealed; });
}

tl::expected<SharedAdoption, StateError> adopt_shared(Store& store, const SharedPaths& paths) {
  const std::string who = "gnomon control adopt";
  auto lock = WriterLock::take(paths.lock, who);
  if (!lock) return tl::make_unexpected(lock.error());
  auto journal = Journal::load(paths.journal);
  if (!journal && journal.error().kind != StateErrorKind::kDamaged) return tl::make_unexpected(journal.error());
  const auto view = view_all(store);
  if (!view) return tl::make_unexpected(view.error());
  const auto& [meta, sealed, at] = view->meta;
  if (sealed) return tl::make_unexpected(refusal_of(*sealed));
  if (!meta)
    return refuse(StateErrorKind::kIncomplete,
                  "there is no gnomon store at this address to belong to; check store.url (endpoints and prefix)");
  SharedAdoption adoption{*meta, {}};
  const bool there = !journal || journal->has_value();
  std::optional<Journal> old;
  if (journal) old = std::move(*journal);
  if (old && old->content().store == meta->identity.id) {
    auto continued = continue_journal(store, paths, *meta, view->rights, std::move(old), who);
    if (!continued) return tl::make_unexpected(continued.error());
    return adoption;
  }
  if (there) {
    auto aside = put_aside(paths.journal);
    if (!aside) return tl::make_unexpected(aside.error());
    adoption.aside = std::move(*aside);
  }
  if (auto made = Journal::create(paths.journal, fresh_journal(*meta, view->rights.at)); !made)
    return tl::make_unexpected(made.error());
  return adoption;
}

}  // namespace gnomon::control
