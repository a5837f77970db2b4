// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/lease_wish.hpp"

#include <string_view>
#include <utility>

#include "cmd/text/rfc3339.hpp"

namespace gnomon::cmd {
namespace {

constexpr time::Duration kAYear = time::seconds(std::int64_t{365} * 24 * 3600);

}  // namespace

tl::expected<CheckedWish, std::string> check_wish(const LeaseWish& wish) {
  CheckedWish out;
  out.name = wish.name;
  out.metadata = wish.metadata;
  const bool forever = wish.wait == kForever;
  for (const auto& [option, text, to] :
       {std::tuple<std::string_view, std::string_view, time::Duration*>{"--ttl", wish.ttl, &out.ttl},
        {"--lock-delay", wish.lock_delay, &out.lock_delay},
        {"--wait", forever ? std::string_view() : std::string_view(wish.wait), &out.wait_for}}) {
    if (text.empty()) continue;
    const auto duration = parse_duration(text);
    if (!duration) return tl::make_unexpected(std::string(option) + ": " + duration.error());
    *to = *duration;
  }
  if (forever) out.wait_for = kAYear;
  if (out.ttl <= time::Duration{0}) return tl::make_unexpected(std::string("--ttl: a session needs a TTL, as in 10s"));
  return out;
}

}  // namespace gnomon::cmd
