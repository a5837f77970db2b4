// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any text where a person, a file of the system or the kernel says one thing in words: an address,
// a network, a key, a time, a source of time, the address of a store. Demanded, where it applies:
//
//   - what is accepted is in bounds, and is read back as it was from the text that gnomon itself writes for it;
//   - what is refused has a sentence; and what that sentence tells to write instead is accepted.
//
// Input: the kind of the text in the first line, the text behind it.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "cmd/gnomon/id_text.hpp"
#include "cmd/options/checks.hpp"
#include "cmd/text/cidr.hpp"
#include "cmd/text/key_file.hpp"
#include "cmd/text/rfc3339.hpp"
#include "control/clone_guard.hpp"
#include "control/etcd/etcd_url.hpp"
#include "oracle/lease/history.hpp"
#include "oracle/lease/named_lease.hpp"
#include "oracle/lease/session.hpp"
#include "platform/endpoint.hpp"
#include "ptp/offset_source.hpp"
#include "ptp/sources.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {
namespace {

constexpr std::size_t kMaxInput = 1024;

/// Each is given a text, and says whether it was accepted.
using Reader = bool (*)(std::string_view text);

bool endpoint(std::string_view text) {
  for (const std::optional<std::uint16_t> port :
       {std::optional<std::uint16_t>(), std::optional<std::uint16_t>(14666)}) {
    const auto read = platform::parse_endpoint(text, port);
    if (!read) {
      demand(!read.error().text.empty(), "an endpoint is refused without a sentence");
      continue;
    }
    demand(platform::parse_endpoint(platform::to_string(*read)) == *read, "an endpoint is not read back as it was");
    const platform::SocketAddress address = platform::to_socket_address(*read);
    demand(platform::from_socket_address(address.storage) == *read, "an endpoint is another one to the kernel");
    demand(text.find('\0') == std::string_view::npos && text.size() < 64, "an endpoint with something behind it");
    return true;
  }
  return false;
}

bool cidr(std::string_view text) {
  const auto read = cmd::parse_cidr(text);
  if (read) {
    demand(
        read->prefix_bits <= 128 && (read->contains(read->network) || read->prefix_bits < serve::Cidr::kV4PrefixBits),
        "a network without its own address");
    for (unsigned bit = read->prefix_bits; bit < 128; ++bit)
      demand((read->network.bytes.at(bit / 8) & 0x80U >> bit % 8) == 0, "bits below the prefix");
    return true;
  }
  constexpr std::string_view kWrite = "sets bits below its prefix: write ";
  const std::string& why = read.error();
  demand(!why.empty(), "a network is refused without a sentence");
  const bool quotes_it = text.find(kWrite) != std::string_view::npos;
  if (const std::size_t at = why.rfind(kWrite); at != std::string::npos && !quotes_it)
    demand(cmd::parse_cidr(why.substr(at + kWrite.size())).has_value(), "what is told to be written is refused, too");
  return false;
}

bool keys(std::string_view text) {
  const auto read = cmd::parse_keys(text, "keys");
  if (!read) {
    demand(read.error().starts_with("keys"), "keys are refused without a sentence");
    return false;
  }
  demand(read->size() <= wire::KeyRing::kMaxKeys && wire::KeyRing(*read).size() == read->size(), "keys that are lost");
  for (const wire::Key& key : *read)
    demand(key.id.value != 0, "a key without a number");
  return !read->empty();
}

bool instant(std::string_view text) {
  constexpr time::SmearedUtc kNow{1'790'000'000'000'000'000};
  const auto read = cmd::parse_time(text, kNow);
  if (!read) {
    demand(!read.error().empty(), "a time is refused without a sentence");
    return false;
  }
  const std::string written = cmd::rfc3339(*read);
  const auto again = cmd::parse_rfc3339(written);
  if (again) demand(*again == *read, "a time is not read back as it was");
  constexpr std::int64_t kDay = 86'400'000'000'000;  // by which an offset may lead out of the years
  demand(again || read->ns < 0 || read->ns > time::SmearedUtc::max().ns - 366 * kDay, "a time that can't be written");
  return true;
}

bool duration(std::string_view text) {
  const auto read = cmd::parse_duration(text);
  if (!read) {
    demand(!read.error().empty(), "a length of time is refused without a sentence");
    return false;
  }
  demand(read->ns >= 0, "a negative length of time");
  demand(cmd::parse_duration(std::to_string(read->ns) + "ns") == *read, "a length of time is not read back as it was");
  demand(!cmd::human_duration(*read).empty() && !cmd::human_duration(-*read).empty(), "a length of time without words");
  return true;
}

bool id64(std::string_view text) {
  const auto read = cmd::parse_id(text);
  if (!read) return false;
  demand(cmd::parse_id(std::to_string(read->value)) == *read, "an ID is not read back as it was");
  demand(cmd::parse_id(std::to_string(static_cast<std::int64_t>(read->value))) == *read,
         "nor as a signed column has it");
  return true;
}

bool etcd_url(std::string_view text) {
  const auto read = control::parse_etcd_url(text);
  if (!read) {
    demand(!read.error().empty(), "a store is refused without a sentence");
    return false;
  }
  std::string written = "etcd:";
  for (const std::string& one : read->endpoints)
    written += (written.size() > 5 ? "," : "") + std::string(read->tls ? "https://" : "http://") + one;
  demand(!read->endpoints.empty() && read->endpoints.size() <= 16 && read->prefix.ends_with('/') &&
             !read->prefix.starts_with('/'),
         "a store out of its bounds");
  demand(control::parse_etcd_url(written + "/" + read->prefix) == *read, "a store is not read back as it was");
  return true;
}

bool source(std::string_view text) {
  const auto read = ptp::parse_source(text, time::milliseconds(1));
  if (!read) {
    demand(!read.error().empty(), "a source is refused without a sentence");
    return false;
  }
  demand(read->bound >= time::Duration{0} && read->bound <= time::seconds(60), "a bound out of its bounds");
  demand(read->kind != ptp::SourceKind::kPhc || !read->path.empty(), "a clock without a device");
  return true;
}

bool offset(std::string_view text) {
  const auto read = ptp::parse_offset(text, "offset");
  if (!read) {
    demand(!read.error().text.empty(), "an offset is refused without a sentence");
    return false;
  }
  demand(ptp::parse_offset(std::to_string(read->ns), "offset") == *read, "an offset is not read back as it was");
  return true;
}

bool layout(std::string_view text) {
  const auto read = cmd::parse_layout(text);
  if (!read) {
    demand(!read.error().empty(), "a layout is refused without a sentence");
    return false;
  }
  demand(cmd::parse_layout(cmd::text_of(*read)) == *read, "a layout is not read back as it was");
  return true;
}

bool uevent(std::string_view text) {
  std::string fields(text);
  std::replace(fields.begin(), fields.end(), '\n', '\0');
  const bool announced = control::announces_new_vm(fields);
  demand(!announced || (fields.find("NEW_VMGENID=1") != std::string::npos && fields.find('@') != std::string::npos),
         "a clone that nobody announced");
  // What some other device says in between hides nothing.
  demand(control::announces_new_vm(fields + std::string("\0SEQNUM=4711\0", 13)) == announced, "a clone is overheard");
  return announced;
}

/// A key of the store: of which kind it may be, and that it is written again as it was.
bool store_key(std::string_view text) {
  int meanings = 0;
  if (const auto session = lease::incarnation_of_session(text)) {
    demand(lease::session_key(*session) == text, "a session's key is not the one of that session");
    ++meanings;
  }
  if (const auto session = lease::session_of_key(text)) {
    demand(lease::client_key(*session) == text, "a client's key is not the one of that client");
    ++meanings;
  }
  if (const auto name = lease::name_of_lease_key(text)) {
    demand(lease::lease_key(*name) == text, "a lease's key is not the one of that lease");
    ++meanings;
  }
  if (const auto waiter = lease::parts_of_waiter_key(text)) {
    demand(lease::waiter_key(waiter->name, waiter->session) == text, "a waiter's key is not the one of that waiter");
    ++meanings;
  }
  if (const auto at = lease::instant_of_history(text)) {
    demand(at->ns >= 0 && text.starts_with(lease::kHistoryPrefix), "history of no time");
    ++meanings;
  }
  demand(meanings <= 1, "a key that means two things");
  return meanings == 1;
}

struct Kind {
  std::string_view name;
  Reader read;
};
constexpr std::array<Kind, 12> kKinds{{{"endpoint", endpoint},
                                       {"cidr", cidr},
                                       {"keys", keys},
                                       {"time", instant},
                                       {"duration", duration},
                                       {"id", id64},
                                       {"etcd", etcd_url},
                                       {"source", source},
                                       {"offset", offset},
                                       {"layout", layout},
                                       {"uevent", uevent},
                                       {"key", store_key}}};

}  // namespace

Plan plan() {
  return {
      .longest = kMaxInput,
      .outcomes = {"endpoint",    "cidr",   "keys",    "time",      "duration",    "id",        "etcd",      "source",
                   "offset",      "layout", "uevent",  "key",       "no endpoint", "no cidr",   "no keys",   "no time",
                   "no duration", "no id",  "no etcd", "no source", "no offset",   "no layout", "no uevent", "no key"},
      .changed_inputs = 100'000};
}

std::map<std::string, Input> seeds() { return {}; }

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  if (size > kMaxInput) return -1;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view name = input.substr(0, input.find('\n'));
  const std::string text(input.substr(std::min(name.size() + 1, size)));  // at its own place, to its end
  for (const Kind& kind : kKinds)
    if (kind.name == name) note(kind.read(text) ? std::string(name) : "no " + std::string(name));
  return 0;
}
