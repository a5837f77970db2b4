// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any text as the journal, the second file that tells a daemon which store is its own and how far
// it has come. A journal that is read wrongly lets a restored store issue once more what was issued already. Demanded:
//
//   - what is accepted has exactly one text, and its last line is the checksum of the rest;
//   - what is refused has a reason; a file that is cut off, or has one byte changed, is refused;
//   - held against a store that has what the journal noted it is continued, and against one that has less it never is.
//
// Each input is judged as it is and with a right last line: hardly a mutation would get past the checksum.
#include <sodium.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "control/journal.hpp"
#include "oracle/lease/last_revision.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {
namespace {

using control::JournalContent;

constexpr std::size_t kMaxInput = 4096;

std::string with_checksum(std::string_view text) {
  std::string body(text.substr(0, text.rfind("checksum ")));
  lease::Nonce digest{};
  crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(body.data()), body.size(),
                     nullptr, 0);
  return body + "checksum 1 value=" + lease::hex_of(digest) + "\n";
}

/// A store that holds exactly what was noted.
struct Noted {
  control::StoreMeta meta;
  control::Listing rights;
};
Noted store_of(const JournalContent& journal) {
  Noted noted;
  noted.meta.identity = {journal.store, journal.lineage, journal.epoch};
  noted.rights.at = journal.highest;
  for (const auto& [machine, right] : journal.rights) {
    lease::Window window{
        .floor = right.ceiling, .ceiling = right.ceiling, .token = {right.modified.value}, .nonce = right.nonce};
    if (window.token.value == 0) window.token.value = 1;
    window.state = lease::WindowState::kReleased;
    noted.rights.entries.push_back({lease::window_key(machine), lease::encode(window), right.modified});
  }
  return noted;
}

void judge_continuity(const JournalContent& journal) {
  // A window beyond the last revision can't be read back: no store has one.
  if (std::any_of(journal.rights.begin(), journal.rights.end(),
                  [](const auto& each) { return each.second.modified > lease::kLastRevision; }))
    return;
  const Noted noted = store_of(journal);
  demand(control::check_continuity(journal, noted.meta, noted.rights).has_value(), "a store that has all is refused");
  const auto refuses = [&](const Noted& other) {
    const auto found = control::check_continuity(journal, other.meta, other.rights);
    return !found && !found.error().text.empty();
  };
  Noted other = noted;
  other.meta.identity.id.at(3) ^= 1U;
  demand(refuses(other), "another store is taken for this one");
  if (journal.highest.value > 0) {
    other = noted;
    --other.rights.at.value;
    demand(refuses(other), "a store that went back is accepted");
  }
  if (journal.epoch > 0) {
    other = noted;
    --other.meta.identity.epoch;
    demand(refuses(other), "a store of an epoch before is accepted");
  }
  if (noted.rights.entries.empty()) return;
  other = noted;
  other.rights.entries.pop_back();
  demand(refuses(other), "a store without an acknowledged window is accepted");
  if (noted.rights.entries.back().modified.value == 0) return;
  other = noted;
  --other.rights.entries.back().modified.value;
  demand(refuses(other), "a store with an older window is accepted");
  note("continued");
}

void judge(const std::string& text) {
  const auto content = control::parse_journal(text);
  if (!content) {
    const std::string_view reason = lease::text_of(content.error());
    demand(!reason.empty() && reason != "unknown fault", "a journal is refused without a reason");
    note(reason);
    return;
  }
  demand(with_checksum(text) == text, "a journal with a wrong checksum is accepted");
  if (control::encode_journal(*content) != text) {
    // The lines may come in another order than they are written in: they are told apart by machine id.
    const auto again = control::parse_journal(control::encode_journal(*content));
    demand(again && *again == *content, "a journal does not come back as it was");
    note("in another order");
  }
  note(content->lineage == lease::Nonce{} ? "journal of one host" : "journal of many hosts");
  judge_continuity(*content);
  std::string damaged = text;
  for (const std::size_t at : {std::size_t{0}, text.size() / 2, text.size() - 1}) {
    damaged.at(at) = static_cast<char>(damaged.at(at) ^ 1);
    demand(!control::parse_journal(damaged), "a damaged journal is accepted");
    damaged.at(at) = text.at(at);
  }
  demand(!control::parse_journal(std::string_view(text).substr(0, text.size() - 1)),
         "a journal that was cut off is accepted");
}

}  // namespace

Plan plan() {
  return {.longest = kMaxInput,
          .outcomes = {"journal of one host", "journal of many hosts", "continued", "a value of another kind",
                       "written by another version of gnomon", "a field is missing or not in its place",
                       "a field is malformed", "a number is out of range", "text follows the last field"}};
}

std::map<std::string, Input> seeds() { return {}; }

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  if (size > kMaxInput) return -1;
  const std::string text(reinterpret_cast<const char*>(data), size);
  judge(text);
  judge(with_checksum(text));
  return 0;
}
