// SPDX-License-Identifier: Apache-2.0
#include "cmd/text/cidr.hpp"

#include <fmt/core.h>

#include <charconv>

#include "platform/endpoint.hpp"

namespace gnomon::cmd {
namespace {

constexpr unsigned kV4PrefixShift = 96;  // of a v4-mapped address

}  // namespace

tl::expected<serve::Cidr, std::string> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = platform::parse_address(text.substr(0, slash));
  if (!address)
    return tl::make_unexpected(fmt::format("'{}' is no network: write 10.0.0.0/8, fd00::/8 or an address", text));
  const bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  const unsigned shift = v4 ? kV4PrefixShift : 0;
  unsigned bits = 128 - shift;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    unsigned given = 0;
    const auto [stopped, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), given);
    if (digits.empty() || fault != std::errc{} || stopped != digits.data() + digits.size() || given > bits)
      return tl::make_unexpected(fmt::format("'{}' has no prefix length of 0 to {} after the '/'", text, bits));
    bits = given;
  }
  serve::Address network = *address;
  for (unsigned bit = bits + shift; bit < 128; ++bit)
    network.bytes[bit / 8] = static_cast<std::uint8_t>(network.bytes[bit / 8] & ~(0x80U >> (bit % 8)));
  if (network != *address) {
    // A v4-mapped network is written as IPv4, and then its prefix is one of 32 bits.
    const unsigned told = network.is_v4() ? bits + shift - kV4PrefixShift : bits;
    return tl::make_unexpected(
        fmt::format("'{}' sets bits below its prefix: write {}/{}", text, platform::to_string(network), told));
  }
  return serve::Cidr{network, static_cast<std::uint8_t>(bits + shift)};
}

}  // namespace gnomon::cmd
