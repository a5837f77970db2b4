// SPDX-License-Identifier: Apache-2.0
//
// What a store holds, made up entry by entry, as a list would bring it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/meta.hpp"
#include "oracle/lease/history.hpp"
#include "oracle/lease/session.hpp"
#include "oracle/lease/stored_right.hpp"

namespace gnomon::cmd {

constexpr time::SmearedUtc kNow{1'772'366'400'000'000'000};  // 2026-03-01T12:00:00Z

/// Sixteen bytes that are all the same: 07070707...
inline control::Nonce nonce_of(std::uint8_t byte) {
  control::Nonce nonce;
  nonce.fill(byte);
  return nonce;
}

/// Entries of one store; a list of them comes sorted by key, as of the highest revision that was written.
class Entries {
 public:
  Entries& put(std::string key, std::string value, std::uint64_t revision) {
    entries_.push_back({std::move(key), std::move(value), {revision}});
    return *this;
  }
  Entries& identity(std::uint16_t epoch, std::uint64_t revision = 1) {
    return put(std::string(lease::kStoreKey),
               control::encode_identity({nonce_of(0x11), nonce_of(0x22), epoch}, nonce_of(1)), revision);
  }
  Entries& floor(time::SmearedUtc floor) {
    return put(std::string(control::kFloorKey), control::encode_floor(floor, nonce_of(1)), 2);
  }
  /// `incarnation`: a byte; 0: no grant, only a window.
  Entries& right(std::uint16_t machine, std::uint8_t incarnation, std::string_view holder, time::SmearedUtc floor,
                 time::SmearedUtc ceiling, lease::WindowState state, std::uint64_t grant, std::uint16_t epoch = 1) {
    if (incarnation != 0)
      put(lease::grant_key({machine}),
          lease::encode(lease::Grant{std::string(holder), nonce_of(incarnation), nonce_of(2), epoch}), grant);
    const mint::Token token = lease::make_token(epoch, {grant});
    return put(lease::window_key({machine}), lease::encode(lease::Window{floor, ceiling, token, state, nonce_of(3)}),
               grant + 1);
  }
  Entries& session(std::uint8_t incarnation, std::string_view holder, lease::Standing standing, std::uint64_t seen,
                   time::SmearedInterval ordering, std::optional<time::Interval> truth, std::uint64_t revision) {
    return put(lease::session_key(nonce_of(incarnation)),
               lease::encode(lease::Session{.nonce = nonce_of(4),
                                            .standing = standing,
                                            .seen = {seen},
                                            .clock = {ordering, truth},
                                            .holder = std::string(holder)}),
               revision);
  }
  Entries& acquisition(time::SmearedUtc at, std::uint8_t incarnation, std::string_view holder, std::uint16_t machine,
                       lease::Taken taken, std::uint64_t revision, std::uint16_t epoch = 1) {
    return put(lease::history_key(at, nonce_of(static_cast<std::uint8_t>(revision))),
               lease::encode(lease::Acquisition{.nonce = nonce_of(static_cast<std::uint8_t>(revision)),
                                                .incarnation = nonce_of(incarnation),
                                                .epoch = epoch,
                                                .taken = {{{machine}, taken}},
                                                .holder = std::string(holder)}),
               revision);
  }

  [[nodiscard]] control::Listing list(std::string_view prefix, std::uint64_t at) const {
    control::Listing listing{{at}, {}};
    for (const control::Entry& entry : entries_)
      if (entry.key.starts_with(prefix)) listing.entries.push_back(entry);
    std::sort(listing.entries.begin(), listing.entries.end(),
              [](const control::Entry& x, const control::Entry& y) { return x.key < y.key; });
    return listing;
  }

 private:
  std::vector<control::Entry> entries_;
};

}  // namespace gnomon::cmd
