// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any text as a value in the store. What is stored outlives the program that wrote it, comes back
// from disks that flip bits and from backups of other versions, and decides who may issue what; a reader that guesses
// issues IDs twice. Demanded, of every kind of value:
//
//   - what is accepted has exactly one text: it reads back as it was, byte by byte;
//   - what one reader accepts no other does: a value under a wrong key is never taken for another;
//   - what is accepted is within its documented bounds;
//   - what is refused has a reason with a text of its own.
//
// Input: the text of one value; any reader may be meant.
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "control/meta.hpp"
#include "oracle/lease/client_session.hpp"
#include "oracle/lease/history.hpp"
#include "oracle/lease/named_lease.hpp"
#include "oracle/lease/session.hpp"
#include "oracle/lease/stored_right.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {
namespace {

constexpr std::size_t kMaxInput = 4096;

/// The nonce that every value carries in front: some readers pass over it.
lease::Nonce nonce_in(std::string_view text) {
  constexpr std::string_view kField = " nonce=";
  const std::size_t at = text.find(kField);
  if (at == std::string_view::npos) return {};
  return lease::session_of_hex(text.substr(at + kField.size(), 32)).value_or(lease::Nonce{});
}

class Judge {
 public:
  explicit Judge(std::string_view text) : text_(text) {}

  /// `encode` says what was read once more; `in_bounds` what the header of the value promises of it.
  template <typename Parse, typename Encode, typename InBounds>
  void try_as(std::string_view kind, const Parse& parse, const Encode& encode, const InBounds& in_bounds) {
    const auto value = parse(text_);
    const bool meant = text_.substr(0, text_.find(' ')) == kind;
    if (!value) {
      const std::string_view reason = lease::text_of(value.error());
      demand(!reason.empty() && reason != "unknown fault", "a value is refused without a reason");
      demand(meant == (value.error() != lease::ValueFault::kOtherKind), "a value of its kind is taken for another's");
      if (meant) note(reason);
      return;
    }
    demand(meant, "a value of another kind is accepted");
    demand(encode(*value) == text_, "two texts are read as one value");
    demand(in_bounds(*value), "a value is accepted that is out of its bounds");
    note(kind);
  }

 private:
  std::string_view text_;
};

bool in_bounds(const id::Layout& layout) {
  return layout.number.value >= id::kFirstCustomLayout && layout.number.value <= id::kLastCustomLayout &&
         !layout.name().empty() && layout.bits() <= 64 && layout.time_bits > 0 && layout.machine_bits > 0 &&
         layout.machine_bits <= 16 && layout.sequence_bits > 0 && layout.sequence_bits <= 32 &&
         layout.unit >= time::microseconds(1) && layout.unit <= time::seconds(10) && layout.epoch.ns >= 0 &&
         layout.start_of(layout.last_unit()) > layout.epoch;
}

bool in_bounds(const lease::Acquisition& acquisition) {
  return !acquisition.taken.empty() && acquisition.holder.size() <= lease::TextWriter::kMaxRest;
}

bool in_bounds(const lease::Session& session) {
  const auto& clock = session.clock;
  return clock.ordering.earliest <= clock.ordering.latest &&
         (!clock.truth || clock.truth->earliest <= clock.truth->latest) &&
         lease::text_of(session.standing) != "unknown" && session.holder.size() <= lease::TextWriter::kMaxRest;
}

bool in_bounds(const lease::ClientSession& session) {
  return lease::is_principal(session.principal) && lease::is_label(session.label) && session.ttl.ns > 0;
}

void judge_rights(std::string_view text) {
  Judge judge(text);
  const auto encode = [](const auto& value) { return lease::encode(value); };
  judge.try_as("grant", lease::parse_grant, encode,
               [](const lease::Grant& grant) { return grant.holder.size() <= lease::TextWriter::kMaxRest; });
  judge.try_as("window", lease::parse_window, encode,
               [](const lease::Window& window) { return window.floor <= window.ceiling; });
  judge.try_as("session", lease::parse_session, encode, [](const auto& value) { return in_bounds(value); });
  judge.try_as("acquisition", lease::parse_history, encode, [](const auto& value) { return in_bounds(value); });
}

void judge_leases(std::string_view text) {
  Judge judge(text);
  const auto encode = [](const auto& value) { return lease::encode(value); };
  judge.try_as("lease", lease::parse_named_lease, encode, [](const lease::NamedLease& lease) {
    return lease.lock_delay.ns >= 0 && lease.lock_delay <= lease::kMaxLockDelay &&
           lease.metadata.size() <= lease::kMaxMetadata;
  });
  judge.try_as("waiter", lease::parse_waiter, encode, [](const lease::Waiter&) { return true; });
  judge.try_as("client", lease::parse_client_session, encode, [](const auto& value) { return in_bounds(value); });
}

void judge_meta(std::string_view text) {
  Judge judge(text);
  const lease::Nonce nonce = nonce_in(text);
  judge.try_as(
      "store", control::parse_identity,
      [&](const control::StoreIdentity& value) { return control::encode_identity(value, nonce); },
      [](const control::StoreIdentity&) { return true; });
  judge.try_as(
      "floor", control::parse_floor, [&](time::SmearedUtc value) { return control::encode_floor(value, nonce); },
      [](time::SmearedUtc) { return true; });
  judge.try_as(
      "sealed", control::parse_seal, [&](const control::Seal& value) { return control::encode_seal(value, nonce); },
      [](const control::Seal& seal) { return !control::refusal_of(seal).text.empty(); });
  judge.try_as(
      "layout", control::parse_layout, [&](const id::Layout& value) { return control::encode_layout(value, nonce); },
      [](const id::Layout& layout) { return in_bounds(layout); });
}

}  // namespace

Plan plan() {
  return {
      .longest = kMaxInput,
      .outcomes = {"grant", "window", "session", "acquisition", "lease", "waiter", "client", "store", "floor", "sealed",
                   "layout", "written by another version of gnomon", "a field is missing or not in its place",
                   "a field is malformed", "a number is out of range", "text follows the last field"},
      .changed_inputs = 60'000};
}

std::map<std::string, Input> seeds() { return {}; }

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  if (size > kMaxInput) return -1;
  const std::string text(reinterpret_cast<const char*>(data), size);  // at its own place, to its end
  judge_rights(text);
  judge_leases(text);
  judge_meta(text);
  return 0;
}
