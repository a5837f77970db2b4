// SPDX-License-Identifier: Apache-2.0
#include "control/journal.hpp"

#include <sodium.h>

#include <algorithm>

#include "oracle/canary.hpp"
#include "oracle/lease/text_value.hpp"
#include "platform/durable_file.hpp"

namespace gnomon::control {
namespace {

using lease::TextReader;
using lease::TextWriter;
using lease::ValueFault;

constexpr unsigned kVersion = 1;
// Of the first line: with a lineage. A store of one host has none, and its journal stays readable for older programs.
constexpr unsigned kVersionWithLineage = 2;
constexpr std::size_t kMaxJournal = std::size_t{32} << 20;  // 65,536 rights take less than 10 MB
constexpr std::uint64_t kMaxRights = 65536;

Nonce digest_of(std::string_view text) {
  Nonce digest{};
  crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     nullptr, 0);
  return digest;
}

// The next line without its end; what is not ended is not a line.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

tl::expected<JournalRight, ValueFault> parse_right(std::string_view line) {
  TextReader reader(line, "right", kVersion);
  JournalRight right;
  right.machine = {static_cast<std::uint16_t>(reader.unsigned_number("machine", UINT16_MAX))};
  right.modified = {reader.unsigned_number("modified")};
  right.nonce = reader.hex("nonce");
  right.ceiling = {reader.number("ceiling")};
  return reader.finish().map([&] { return right; });
}

bool is_shared(const JournalContent& journal) { return journal.lineage != Nonce{}; }

tl::unexpected<Discontinuity> broken(Discontinuity::Kind kind, std::string what) {
  return tl::make_unexpected(Discontinuity{kind, std::move(what)});
}
tl::unexpected<Discontinuity> went_back(std::string what) {
  return broken(Discontinuity::Kind::kWentBack, std::move(what));
}

StateError advise_local(const std::string& what) {
  return {StateErrorKind::kWentBack,
          "the database is not the one that this data directory was used with last: " + what +
              ". It was restored from a copy, or lost writes; using it could issue IDs twice. Put the newest database "
              "back, or run `gnomon control recover`, which lifts every machine id above what may have been issued"};
}

StateError advise_shared(const Discontinuity& found) {
  switch (found.kind) {
    case Discontinuity::Kind::kOtherStore:
      return {StateErrorKind::kOtherStore,
              "the store at this address is not the one that this host belongs to: " + found.what +
                  ". Correct store.url (endpoints and prefix); or, if this host is to belong to this store from now "
                  "on, run `gnomon control adopt`. If it was made in place of a store whose data is lost, run `gnomon "
                  "control recover` on it first"};
    case Discontinuity::Kind::kOtherLineage:
      return {StateErrorKind::kWentBack,
              "the store was recovered twice from copies of the same age, and this host was used with the other one: " +
                  found.what +
                  ". What was issued under either is not known to this one; run `gnomon control recover` once more"};
    case Discontinuity::Kind::kWentBack: break;
  }
  return {StateErrorKind::kWentBack,
          "the store has lost what it acknowledged to this host: " + found.what +
              ". It was restored from a backup, or its data were damaged; using it could issue IDs twice. Run `gnomon "
              "control recover`, which lifts every machine id above what may have been issued"};
}

const Entry* find_entry(const Listing& listing, const std::string& key) {
  const auto at = std::lower_bound(listing.entries.begin(), listing.entries.end(), key,
                                   [](const Entry& entry, const std::string& k) { return entry.key < k; });
  return at != listing.entries.end() && at->key == key ? &*at : nullptr;
}

// Whether every window that was noted is there, or a later one. On a shared store the later one may be by a newer
// program, in words that this one can't read: that is no loss.
tl::expected<void, Discontinuity> judge_windows(const JournalContent& journal, const Listing& rights) {
  const lease::RightTable table = lease::read_rights(rights.entries);
  for (const auto& [machine, noted] : journal.rights) {
    const Entry* entry = find_entry(rights, lease::window_key(machine));
    const std::string name = "the window of machine id " + std::to_string(machine.value);
    if (entry == nullptr || (!is_shared(journal) && table.find(machine) == nullptr))
      return went_back(name + " is gone");
    if (entry->modified < noted.modified) return went_back(name + " is older than what was acknowledged");
    if (entry->modified > noted.modified) continue;
    const auto window = lease::parse_window(entry->value);
    if (!window || window->nonce != noted.nonce || window->ceiling != noted.ceiling)
      return went_back(name + " has the acknowledged revision but another content");
  }
  return {};
}

}  // namespace

std::string encode_journal(const JournalContent& content) {
  TextWriter head("journal", is_shared(content) ? kVersionWithLineage : kVersion);
  head.hex("store", content.store);
  if (is_shared(content)) head.hex("lineage", content.lineage);
  std::string text = head.unsigned_number("epoch", content.epoch)
                         .unsigned_number("highest", content.highest.value)
                         .unsigned_number("rights", content.rights.size())
                         .take();
  text += '\n';
  for (const auto& [machine, right] : content.rights) {
    text += TextWriter("right", kVersion)
                .unsigned_number("machine", machine.value)
                .unsigned_number("modified", right.modified.value)
                .hex("nonce", right.nonce)
                .number("ceiling", right.ceiling.ns)
                .take();
    text += '\n';
  }
  const Nonce digest = digest_of(text);
  return text + TextWriter("checksum", kVersion).hex("value", digest).take() + '\n';
}

tl::expected<JournalContent, ValueFault> parse_journal(std::string_view text) {
  const std::string_view whole = text;
  const auto head = take_line(text);
  if (!head) return tl::make_unexpected(ValueFault::kFieldMissing);
  const bool with_lineage = head->starts_with("journal " + std::to_string(kVersionWithLineage) + " ");
  TextReader reader(*head, "journal", with_lineage ? kVersionWithLineage : kVersion);
  JournalContent content;
  content.store = reader.hex("store");
  if (with_lineage) {
    content.lineage = reader.hex("lineage");
    if (!is_shared(content)) reader.fail(ValueFault::kOutOfRange);  // that is written without one
  }
  content.epoch = static_cast<std::uint16_t>(reader.unsigned_number("epoch", UINT16_MAX));
  content.highest = {reader.unsigned_number("highest")};
  const std::uint64_t count = reader.unsigned_number("rights", kMaxRights);
  if (const auto read = reader.finish(); !read) return tl::make_unexpected(read.error());
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto line = take_line(text);
    if (!line) return tl::make_unexpected(ValueFault::kFieldMissing);
    const auto right = parse_right(*line);
    if (!right) return tl::make_unexpected(right.error());
    if (!content.rights.emplace(right->machine, *right).second) return tl::make_unexpected(ValueFault::kMalformed);
  }
  const Nonce digest = digest_of(whole.substr(0, whole.size() - text.size()));
  const auto last = take_line(text);
  if (!last) return tl::make_unexpected(ValueFault::kFieldMissing);
  TextReader checksum(*last, "checksum", kVersion);
  if (checksum.hex("value") != digest) checksum.fail(ValueFault::kMalformed);
  if (const auto read = checksum.finish(); !read) return tl::make_unexpected(read.error());
  if (!text.empty()) return tl::make_unexpected(ValueFault::kTrailing);
  return content;
}

tl::expected<std::optional<Journal>, StateError> Journal::load(const std::string& path) {
  const auto read = platform::read_file(path, kMaxJournal);
  if (!read) return tl::make_unexpected(StateError{StateErrorKind::kSystem, read.error().text});
  const std::optional<std::string>& text = *read;
  if (!text) return std::optional<Journal>{};
  auto content = parse_journal(*text);
  if (!content)
    return tl::make_unexpected(
        StateError{StateErrorKind::kDamaged, "the journal " + path +
                                                 " is damaged: " + std::string(lease::text_of(content.error())) +
                                                 "; run `gnomon control recover`, which works without it"});
  return Journal(path, std::move(*content));
}

tl::expected<Journal, StateError> Journal::create(const std::string& path, const JournalContent& content) {
  if (auto written = platform::replace_durably(path, encode_journal(content)); !written)
    return tl::make_unexpected(StateError{StateErrorKind::kSystem, written.error().text});
  return Journal(path, content);
}

tl::expected<void, StateError> Journal::merge(Revision highest, std::span<const JournalRight> rights) {
  content_.highest = std::max(content_.highest, highest);
  for (const JournalRight& right : rights)
    content_.rights[right.machine] = right;
  auto written = platform::replace_durably(path_, encode_journal(content_));
  if (!written && !canary::planted(canary::Bug::kIgnoredDiskError))
    return tl::make_unexpected(StateError{StateErrorKind::kSystem, written.error().text});
  return {};
}

tl::expected<Continuity, Discontinuity> judge_continuity(const JournalContent& journal, const StoreMeta& meta,
                                                         const Listing& rights) {
  const StoreIdentity& identity = meta.identity;
  if (identity.id != journal.store)
    return broken(Discontinuity::Kind::kOtherStore,
                  "its id is " + lease::hex_of(identity.id) + ", the journal's is " + lease::hex_of(journal.store));
  if (identity.epoch < journal.epoch)
    return went_back("it stands in epoch " + std::to_string(identity.epoch) + ", the journal in epoch " +
                     std::to_string(journal.epoch));
  if (is_shared(journal)) {
    if (identity.epoch > journal.epoch) return Continuity::kRecovered;
    if (identity.machine != journal.lineage)
      return broken(Discontinuity::Kind::kOtherLineage, "its lineage is " + lease::hex_of(identity.machine) +
                                                            ", the journal's is " + lease::hex_of(journal.lineage) +
                                                            ", both in epoch " + std::to_string(journal.epoch));
  }
  if (rights.at < journal.highest)
    return went_back("it stands at revision " + std::to_string(rights.at.value) + ", but revision " +
                     std::to_string(journal.highest.value) + " was acknowledged");
  return judge_windows(journal, rights).map([] { return Continuity::kContinued; });
}

tl::expected<Continuity, StateError> check_continuity(const JournalContent& journal, const StoreMeta& meta,
                                                      const Listing& rights) {
  return judge_continuity(journal, meta, rights).map_error([&](const Discontinuity& found) {
    return is_shared(journal) ? advise_shared(found) : advise_local(found.what);
  });
}

}  // namespace gnomon::control
