// SPDX-License-Identifier: Apache-2.0
#include "control/journal.hpp"

#include <sodium.h>

#include <algorithm>

#include "oracle/lease/text_value.hpp"
#include "platform/durable_file.hpp"

namespace gnomon::control {
namespace {

using lease::TextReader;
using lease::TextWriter;
using lease::ValueFault;

constexpr unsigned kVersion = 1;
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

tl::unexpected<StateError> went_back(const std::string& what) {
  return tl::make_unexpected(
      StateError{StateErrorKind::kWentBack,
                 "the database is not the one that this data directory was used with last: " + what +
                     ". It was restored from a copy, or lost writes; using it could issue IDs twice. Put the newest "
                     "database back, "
                     "or run `gnomon control recover`, which lifts every machine id above what may have been issued"});
}

}  // namespace

std::string encode_journal(const JournalContent& content) {
  std::string text = TextWriter("journal", kVersion)
                         .hex("store", content.store)
                         .unsigned_number("epoch", content.epoch)
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
  TextReader reader(*head, "journal", kVersion);
  JournalContent content;
  content.store = reader.hex("store");
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
  if (auto written = platform::replace_durably(path_, encode_journal(content_)); !written)
    return tl::make_unexpected(StateError{StateErrorKind::kSystem, written.error().text});
  return {};
}

tl::expected<void, StateError> check_continuity(const JournalContent& journal, const StoreMeta& meta,
                                                const Listing& rights) {
  if (meta.identity.id != journal.store)
    return went_back("its id is " + lease::hex_of(meta.identity.id) + ", the journal's is " +
                     lease::hex_of(journal.store));
  if (meta.identity.epoch < journal.epoch)
    return went_back("it stands in epoch " + std::to_string(meta.identity.epoch) + ", the journal in epoch " +
                     std::to_string(journal.epoch));
  if (rights.at < journal.highest)
    return went_back("it stands at revision " + std::to_string(rights.at.value) + ", but revision " +
                     std::to_string(journal.highest.value) + " was acknowledged");
  const lease::RightTable table = lease::read_rights(rights.entries);
  for (const auto& [machine, noted] : journal.rights) {
    const lease::StoredRight* right = table.find(machine);
    const std::string name = "the window of machine id " + std::to_string(machine.value);
    if (right == nullptr || !right->window) return went_back(name + " is gone");
    if (right->window->modified < noted.modified) return went_back(name + " is older than what was acknowledged");
    if (right->window->modified == noted.modified &&
        (right->window->value.nonce != noted.nonce || right->window->value.ceiling != noted.ceiling))
      return went_back(name + " has the acknowledged revision but another content");
  }
  return {};
}

}  // namespace gnomon::control
