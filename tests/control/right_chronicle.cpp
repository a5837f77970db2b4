// SPDX-License-Identifier: Apache-2.0
#include "tests/control/right_chronicle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "oracle/id/codec.hpp"
#include "oracle/id/layout.hpp"
#include "tests/control/bed/etcdctl_fields.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kStorePrefix = "gnomon/";
constexpr std::string_view kMachines = "right/m/";
constexpr std::size_t kDigits = 5;
constexpr std::size_t kMaxFaults = 10;
constexpr auto kReadLimit = 30s;
constexpr int kPollMs = 50;

std::string decode_base64(std::string_view text) {
  static constexpr std::string_view kDigitsOf64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    const std::size_t digit = kDigitsOf64.find(c);
    if (digit == std::string_view::npos) break;  // padding
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += static_cast<char>((bits >> have) & 0xFF);
  }
  return out;
}

// What follows `name` in one flat object: a number without its end, or a text without its quotes.
std::string_view member_of(std::string_view object, std::string_view name) {
  const std::size_t at = object.find(name);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = object.substr(at + name.size());
  return rest.substr(0, rest.find_first_of("\",}"));
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// The machine id and what is written of it: "/grant" or "/window".
std::optional<std::pair<mint::MachineId, std::string_view>> parts_of(std::string_view key) {
  if (!key.starts_with(kMachines) || key.size() < kMachines.size() + kDigits) return std::nullopt;
  key.remove_prefix(kMachines.size());
  return std::pair{mint::MachineId{static_cast<std::uint16_t>(number_of(key.substr(0, kDigits)))}, key.substr(kDigits)};
}

const id::Layout& layout_of(std::uint16_t number) {
  static const auto kBuiltin = id::builtin_layouts();
  for (const id::Layout& layout : kBuiltin)
    if (layout.number.value == number) return layout;
  throw std::logic_error("the tests ask for built-in layouts only");
}

int network_of(const EtcdCluster& etcd, const EtcdOptions& options) {
  return options.home == EtcdHome::kNamespaces ? etcd.host(0).fd() : -1;
}

}  // namespace

std::vector<RightWrite> parse_etcdctl_json(std::string_view text) {
  static constexpr std::string_view kKey = R"({"key":")";
  std::vector<RightWrite> writes;
  for (std::size_t at = text.find(kKey); at != std::string_view::npos; at = text.find(kKey, at + 1)) {
    const std::string_view object = text.substr(at, text.find('}', at) - at + 1);
    RightWrite write{decode_base64(member_of(object, kKey)), decode_base64(member_of(object, R"("value":")")),
                     number_of(member_of(object, R"("mod_revision":)")),
                     text.substr(0, at).ends_with(R"("type":1,"kv":)")};
    if (!write.key.starts_with(kStorePrefix)) continue;
    write.key.erase(0, kStorePrefix.size());
    writes.push_back(std::move(write));
  }
  return writes;
}

std::vector<RightWrite> read_right_writes(const EtcdCluster& etcd, const EtcdOptions& options, std::uint64_t from) {
  const std::string prefix = std::string(kStorePrefix) + "right/";
  const std::string newest = etcd.must_etcdctl(
      {"get", "--prefix", prefix, "--sort-by=MODIFY", "--order=DESCEND", "--limit=1", "-w", "json"}, {.limit = 10s});
  const auto last = parse_etcdctl_json(newest);
  if (last.empty() || last.front().revision < from) return {};
  const auto binary = etcd_binary(options.version);
  if (!binary) throw std::logic_error("etcd was there when the test began");
  const support::ScratchFolder scratch;
  const auto until = std::chrono::steady_clock::now() + kReadLimit;
  std::string told;
  // A member that has just come back may end a watch: then it is asked anew, for all of it.
  for (int attempt = 0; std::chrono::steady_clock::now() < until; ++attempt) {
    const support::ChildProcess watch({binary->etcdctl, "--endpoints=" + joined(etcd.endpoints(), ","), "watch",
                                       "--prefix", prefix, "--rev=" + std::to_string(from), "-w", "json"},
                                      without_etcd_variables(), scratch.path() / std::to_string(attempt),
                                      {.network_namespace = network_of(etcd, options)});
    for (bool runs = true; runs && std::chrono::steady_clock::now() < until; support::nap(kPollMs)) {
      runs = watch.running();
      told = watch.log();
      const std::size_t complete = told.rfind('\n') + 1;  // 0: there is no line yet
      std::vector<RightWrite> writes = parse_etcdctl_json(std::string_view(told).substr(0, complete));
      if (!writes.empty() && writes.back().revision >= last.front().revision) return writes;
    }
  }
  throw std::runtime_error("etcd did not tell of all rights: " + told.substr(0, 1000) + etcd.logs());
}

RightChronicle::RightChronicle(const std::vector<RightWrite>& writes) : writes_(writes.size()) {
  // A commit writes the grant and the window at one revision, in any order of keys: grants first.
  std::vector<RightWrite> ordered = writes;
  std::sort(ordered.begin(), ordered.end(), [](const RightWrite& x, const RightWrite& y) {
    const auto rank = [](const RightWrite& w) { return std::tuple(w.revision, !w.key.ends_with("/grant"), w.key); };
    return rank(x) < rank(y);
  });
  for (const RightWrite& write : ordered) {
    const auto parts = parts_of(write.key);
    if (!parts) continue;
    if (parts->second == "/grant") take_grant(parts->first, write);
    if (parts->second == "/window") take_window(parts->first, write);
  }
}

void RightChronicle::fault(const RightWrite& write, const std::string& what) {
  if (faults_.size() < kMaxFaults)
    faults_.push_back(fmt::format("{} at revision {}: {} ({})", write.key, write.revision, what, write.value));
}

void RightChronicle::note_nonce(const RightWrite& write, const lease::Nonce& nonce) {
  const auto [entry, is_new] = written_by_.try_emplace({write.key, nonce}, write.revision);
  if (!is_new) fault(write, fmt::format("the same command wrote it at revision {} already", entry->second));
}

void RightChronicle::take_grant(mint::MachineId machine, const RightWrite& write) {
  if (write.deleted) return;  // released
  const auto grant = lease::parse_grant(write.value);
  if (!grant) return fault(write, "it can't be read");
  note_nonce(write, grant->nonce);
  granted_[machine] = {write.revision, grant->epoch};
}

void RightChronicle::take_window(mint::MachineId machine, const RightWrite& write) {
  if (write.deleted) return fault(write, "a window must never go");
  const auto window = lease::parse_window(write.value);
  if (!window) return fault(write, "it can't be read");
  note_nonce(write, window->nonce);
  const auto granted = granted_.find(machine);
  if (granted == granted_.end()) return fault(write, "nobody was granted this id");
  if (granted->second.first == write.revision) return begin(machine, *window, write);
  const auto present = present_.find(machine);
  if (present == present_.end()) return fault(write, "its grant came without a window");
  go_on(holdings_.at(present->second), *window, write);
}

void RightChronicle::begin(mint::MachineId machine, const lease::Window& window, const RightWrite& write) {
  const mint::Token token = lease::make_token(granted_[machine].second, {write.revision});
  if (const auto before = present_.find(machine); before != present_.end()) {
    const Holding& last = holdings_.at(before->second);
    if (window.floor < last.ceilings.back()) fault(write, "it begins below the end of the window before it");
    if (token <= last.token) fault(write, "its token is not above the one before");
  }
  const HoldingKey key{machine, static_cast<std::uint32_t>(token.value)};
  present_[machine] = key;
  holdings_[key] = {.token = token, .floor = window.floor, .ceilings = {window.ceiling}, .released = false};
}

void RightChronicle::go_on(Holding& holding, const lease::Window& window, const RightWrite& write) {
  if (holding.released) fault(write, "it was released, and nobody took it since");
  if (window.token != holding.token) fault(write, "it stands under another token than its grant");
  if (window.floor != holding.floor) fault(write, "its floor has moved");
  holding.released = window.state == lease::WindowState::kReleased;
  const bool lower = window.ceiling < holding.ceilings.back();
  const bool higher = window.ceiling > holding.ceilings.back();
  if (holding.released ? higher : lower) fault(write, "its ceiling went the wrong way");
  holding.ceilings.push_back(window.ceiling);
}

std::vector<std::string> RightChronicle::faults_of(const support::Ledger& ledger) const {
  return faults_of(ledger, time::SmearedUtc::max());
}

std::vector<std::string> RightChronicle::faults_of(const support::Ledger& ledger, time::SmearedUtc bound) const {
  std::vector<std::string> faults;
  for (const support::IssuedRange& range : ledger.ranges()) {
    if (faults.size() >= kMaxFaults) break;
    const auto found = holdings_.find({mint::MachineId{range.machine}, range.token_low});
    const auto note = [&](const char* what) {
      faults.push_back(fmt::format("[{}, +{}) of machine id {} under token ..{:08x}: {}", range.first, range.count,
                                   range.machine, range.token_low, what));
    };
    if (found == holdings_.end()) {
      note("etcd knows of no such grant");
      continue;
    }
    const Holding& holding = found->second;
    // Ceilings rise but for a release, which is the last one.
    auto allowed = time::SmearedUtc::min();
    for (const time::SmearedUtc ceiling : holding.ceilings)
      if (ceiling < bound) allowed = holding.released ? ceiling : std::max(allowed, ceiling);
    const id::Layout& layout = layout_of(range.layout);
    const auto start_of = [&](std::uint64_t id) { return layout.start_of(id >> layout.time_shift()); };
    if (start_of(range.first) < holding.floor) note("below the floor of its window");
    if (start_of(range.first + range.count - 1) >= allowed) note("not below its ceiling");
  }
  return faults;
}

}  // namespace gnomon::bed
