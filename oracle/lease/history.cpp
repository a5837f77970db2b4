// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/history.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <ranges>
#include <set>
#include <tuple>
#include <utility>

#include "oracle/lease/last_revision.hpp"

namespace gnomon::lease {
namespace {

using time::SmearedUtc;
using Verdict = AuditFinding::Verdict;

constexpr unsigned kVersion = 1;
constexpr std::size_t kInstantDigits = 20;
constexpr std::size_t kNonceDigits = 16;

// One text per number, as in the fields of text_value.hpp.
template <typename Integer>
bool take_number(std::string_view& text, Integer& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{}) return false;
  const auto size = static_cast<std::size_t>(end - text.data());
  if (std::to_string(out) != text.substr(0, size)) return false;
  text.remove_prefix(size);
  return true;
}

bool take_dash(std::string_view& text) {
  if (!text.starts_with('-')) return false;
  text.remove_prefix(1);
  return true;
}

// <machine>-<floor> of an id that was never used before, else <machine>-<floor>-<revision of the acquisition before>.
std::string floors_text(const std::map<mint::MachineId, Taken>& taken) {
  std::string text;
  for (const auto& [machine, one] : taken) {
    if (!text.empty()) text += '_';
    text += std::to_string(machine.value) + '-' + std::to_string(one.floor.ns);
    if (one.previous) text += '-' + std::to_string(one.previous->value);
  }
  return text;
}

bool parse_one(std::string_view text, std::map<mint::MachineId, Taken>& taken) {
  std::uint16_t machine = 0;
  Taken one;
  if (!take_number(text, machine) || !take_dash(text) || !take_number(text, one.floor.ns)) return false;
  if (take_dash(text)) {
    one.previous.emplace();
    if (!take_number(text, one.previous->value)) return false;
  }
  // Ascending: one order, so one text, and no id twice.
  if (!text.empty() || (!taken.empty() && taken.rbegin()->first >= mint::MachineId{machine})) return false;
  taken.emplace_hint(taken.end(), mint::MachineId{machine}, one);
  return true;
}

bool parse_floors(std::string_view text, std::map<mint::MachineId, Taken>& taken) {
  for (;;) {
    const std::size_t end = text.find('_');
    if (!parse_one(text.substr(0, end), taken)) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

// ---- the audit

struct Link {
  const Recorded* recorded = nullptr;
  Taken taken;
};

std::vector<Link> chain_of(const History& history, mint::MachineId machine) {
  std::vector<Link> chain;
  for (const Recorded& recorded : history.recorded) {
    const auto at = recorded.acquisition.taken.find(machine);
    if (at != recorded.acquisition.taken.end()) chain.push_back({&recorded, at->second});
  }
  return chain;
}

AuditFinding finding(Verdict verdict, std::string text) {
  return {verdict, std::nullopt, std::nullopt, std::move(text)};
}

AuditFinding suspect(Verdict verdict, const Link& link, std::optional<SmearedUtc> end, std::string text) {
  const Acquisition& acquisition = link.recorded->acquisition;
  return {verdict,
          AuditFinding::Holder{link.recorded->token(), acquisition.holder, acquisition.incarnation, link.taken.floor,
                               end, link.recorded->at},
          std::nullopt, std::move(text)};
}

// Before everything that the history tells of this id.
AuditFinding before_all(const std::vector<Link>& chain, const StoredRight* right, bool readable,
                        const StoreFacts& store) {
  if (chain.empty()) {
    if (readable && right == nullptr && store.epoch <= 1) return finding(Verdict::kNobody, "this id was never used");
    if (readable && right == nullptr)
      return finding(Verdict::kUnknown, "the store was recovered since, and knows nothing of this id before that");
    return finding(Verdict::kUnknown, "no history of this id is kept");
  }
  const Link& first = chain.front();
  if (first.taken.previous) return finding(Verdict::kUnknown, "the history of this id does not reach back that far");
  if (first.recorded->acquisition.epoch > 1)
    return finding(Verdict::kUnknown,
                   "the store was recovered before the first acquisition of this id that it knows of");
  return finding(Verdict::kNobody, "this lies below the first floor that this id ever had");
}

// `next` is the next one that is known.
AuditFinding between(const Link& link, const Link& next) {
  if (next.recorded->acquisition.epoch != link.recorded->acquisition.epoch)
    return suspect(Verdict::kUnknown, link, std::nullopt,
                   "the store was recovered between this acquisition and the next one that it knows of, and may have "
                   "lost others");
  if (next.taken.previous != link.recorded->revision)
    return suspect(Verdict::kUnknown, link, std::nullopt,
                   "acquisitions between this one and the next one that is known are missing from the history");
  return suspect(Verdict::kHolder, link, next.taken.floor, "the next acquisition of this id begins above it");
}

AuditFinding after_all(const Link& link, const StoredRight* right, const StoreFacts& store, SmearedUtc t) {
  if (link.recorded->acquisition.epoch != store.epoch)
    return suspect(Verdict::kUnknown, link, std::nullopt,
                   "the store was recovered after this acquisition, and may have lost others");
  if (right == nullptr || !right->window || right->token() != link.recorded->token())
    return suspect(Verdict::kUnknown, link, std::nullopt,
                   "the present right to this id is not the one that the history ends with");
  if (t >= right->window->value.ceiling) return finding(Verdict::kNobody, "no window of this id reached there");
  return suspect(Verdict::kHolder, link, right->window->value.ceiling,
                 "it has the present right to this id, or had the last one");
}

AuditFinding judge(const std::vector<Link>& chain, const StoredRight* right, bool readable, const StoreFacts& store,
                   SmearedUtc t) {
  const bool in_order = std::is_sorted(chain.begin(), chain.end(),
                                       [](const Link& a, const Link& b) { return a.taken.floor < b.taken.floor; });
  if (!in_order) return finding(Verdict::kUnknown, "the history of this id contradicts itself: a floor sank");
  if (readable) {
    const SmearedUtc ceiling = right != nullptr && right->window ? right->window->value.ceiling : store.floor;
    if (t >= std::max(ceiling, store.floor))
      return finding(Verdict::kNobody, "no window of this id reaches there so far");
  }
  const auto above = std::find_if(chain.begin(), chain.end(), [t](const Link& link) { return link.taken.floor > t; });
  if (above == chain.begin()) return before_all(chain, right, readable, store);
  const Link& link = *std::prev(above);
  return above == chain.end() ? after_all(link, right, store, t) : between(link, *above);
}

}  // namespace

std::string history_key(SmearedUtc now, const Nonce& nonce) {
  const std::string digits = std::to_string(std::max<std::int64_t>(now.ns, 0));
  std::string key(kHistoryPrefix);
  key.append(kInstantDigits - digits.size(), '0').append(digits).append("-");
  return key + hex_of(nonce).substr(0, kNonceDigits);
}

std::optional<SmearedUtc> instant_of_history(std::string_view key) {
  if (!key.starts_with(kHistoryPrefix)) return std::nullopt;
  key.remove_prefix(kHistoryPrefix.size());
  if (key.size() != kInstantDigits + 1 + kNonceDigits || key[kInstantDigits] != '-') return std::nullopt;
  SmearedUtc at;
  const char* const end = key.data() + kInstantDigits;
  const auto read = std::from_chars(key.data(), end, at.ns);
  if (read.ec != std::errc{} || read.ptr != end || at.ns < 0) return std::nullopt;
  return at;
}

std::string encode(const Acquisition& acquisition) {
  assert(!acquisition.taken.empty());
  return TextWriter("acquisition", kVersion)
      .hex("nonce", acquisition.nonce)
      .hex("incarnation", acquisition.incarnation)
      .unsigned_number("epoch", acquisition.epoch)
      .word("floors", floors_text(acquisition.taken))
      .rest("holder", acquisition.holder)
      .take();
}

tl::expected<Acquisition, ValueFault> parse_history(std::string_view text) {
  TextReader reader(text, "acquisition", kVersion);
  Acquisition acquisition;
  acquisition.nonce = reader.hex("nonce");
  acquisition.incarnation = reader.hex("incarnation");
  acquisition.epoch = static_cast<std::uint16_t>(reader.unsigned_number("epoch", UINT16_MAX));
  if (!parse_floors(reader.word("floors"), acquisition.taken)) reader.fail(ValueFault::kMalformed);
  acquisition.holder = reader.rest("holder");
  return reader.finish().map([&] { return acquisition; });
}

// The token, not the grant: a right that was healed has another grant, and its windows still follow one another.
Taken taken_after(const StoredRight* right, SmearedUtc floor) {
  if (right == nullptr || !right->window) return {floor, std::nullopt};
  return {floor, Revision{right->token().value_or(mint::Token{}).value & kLastRevision.value}};
}

History read_history(const Listing& listing) {
  History history;
  for (const Entry& entry : listing.entries) {
    const auto at = instant_of_history(entry.key);
    if (!at) continue;
    if (entry.modified > kLastRevision)
      history.unreadable.push_back(entry.key + ": it stands at a revision that no store can have");
    else if (auto acquisition = parse_history(entry.value))
      history.recorded.push_back({entry.key, *at, entry.modified, std::move(*acquisition)});
    else
      history.unreadable.push_back(entry.key + ": " + std::string(text_of(acquisition.error())));
  }
  std::sort(history.recorded.begin(), history.recorded.end(), [](const Recorded& a, const Recorded& b) {
    return std::tie(a.revision, a.key) < std::tie(b.revision, b.key);
  });
  return history;
}

Transaction prune(const Listing& listing, SmearedUtc before, std::size_t most) {
  const History history = read_history(listing);
  std::set<Revision> kept;
  std::set<mint::MachineId> told;
  for (const Recorded& recorded : std::views::reverse(history.recorded))
    for (const auto& [machine, taken] : recorded.acquisition.taken)
      if (told.insert(machine).second) kept.insert(recorded.revision);
  Transaction transaction;
  for (const Recorded& recorded : history.recorded) {
    if (transaction.deletes.size() == most) break;
    if (recorded.at >= before || kept.contains(recorded.revision)) continue;
    transaction.compares.push_back({recorded.key, recorded.revision});
    transaction.deletes.push_back(recorded.key);
  }
  return transaction;
}

AuditFinding who_could_have(const History& history, const RightTable& rights, const StoreFacts& store,
                            mint::MachineId machine, SmearedUtc t) {
  const std::vector<Link> chain = chain_of(history, machine);
  const bool readable = std::none_of(rights.unreadable.begin(), rights.unreadable.end(),
                                     [&](const Unreadable& fault) { return fault.machine == machine; });
  AuditFinding found = judge(chain, rights.find(machine), readable, store, t);
  if (!chain.empty()) found.back_to = chain.front().taken.floor;
  return found;
}

}  // namespace gnomon::lease
