// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/access.hpp"

#include <fmt/core.h>

#include <utility>
#include <vector>

#include "cmd/text/cidr.hpp"
#include "cmd/text/key_file.hpp"

namespace gnomon::cmd {
namespace {

tl::expected<std::vector<serve::Cidr>, std::string> networks(const std::vector<std::string>& texts) {
  std::vector<serve::Cidr> out;
  for (const std::string& text : texts) {
    const auto cidr = parse_cidr(text);
    if (!cidr) return tl::make_unexpected(cidr.error());
    out.push_back(*cidr);
  }
  return out;
}

serve::AuthRule auth_rule(std::string_view text) {
  if (text == "always") return serve::AuthRule::kAlways;
  return text == "never" ? serve::AuthRule::kNever : serve::AuthRule::kExceptLoopback;
}

}  // namespace

tl::expected<serve::AccessPolicy, std::string> access_policy(const Settings& settings) {
  serve::AccessPolicy policy;
  auto allow = networks(settings.access.allow);
  if (!allow) return tl::make_unexpected(allow.error());
  auto deny = networks(settings.access.deny);
  if (!deny) return tl::make_unexpected(deny.error());
  policy.allow = std::move(*allow);
  policy.deny = std::move(*deny);
  policy.rate = {.messages_per_second = static_cast<std::uint32_t>(settings.access.rate_per_source),
                 .burst = static_cast<std::uint32_t>(settings.access.rate_burst)};
  policy.auth = auth_rule(settings.access.auth);
  if (settings.access.keys_file.empty()) return policy;
  auto keys = read_keys(settings.access.keys_file);
  if (!keys) return tl::make_unexpected(keys.error());
  if (keys->empty() && policy.auth != serve::AuthRule::kNever)
    return tl::make_unexpected(
        fmt::format("the file of keys {} holds no key, and access.auth asks for them", settings.access.keys_file));
  policy.keys = wire::KeyRing(std::move(*keys));
  return policy;
}

}  // namespace gnomon::cmd
