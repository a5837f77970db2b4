// SPDX-License-Identifier: Apache-2.0
//
// The first 64 bytes of every shared page: which page, of which layout, and of which incarnation of the daemon. A
// reader checks it before it believes anything behind it, because a page may belong to an older program or to a
// stranger.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace gnomon::page {

enum class PageKind : std::uint32_t { kClock = 0x4b434c43 /* CLCK */, kRights = 0x53544752, kWorker = 0x524b5257 };

constexpr std::uint64_t kPageMagic = 0x31304e4f4d4f4e47ULL;  // "GNOMON01" in memory

struct alignas(64) PageHeader {
  std::atomic<std::uint64_t> magic{0};  // stored last, released: pairs with the load in `check`
  std::uint32_t kind = 0;
  std::uint32_t version = 0;
  std::uint64_t size = 0;
  std::uint64_t incarnation = 0;  // random per start of the daemon
  std::uint64_t pid = 0;
  std::uint64_t started_uptime_ns = 0;
  std::uint64_t reserved[2] = {0, 0};
};
static_assert(sizeof(PageHeader) == 64);

enum class PageFault : std::uint8_t { kNone, kNotAPage, kOtherKind, kOtherVersion, kOtherSize };

constexpr std::string_view text_of(PageFault fault) {
  switch (fault) {
    case PageFault::kNone: return "ok";
    case PageFault::kNotAPage: return "not a gnomon page, or one that is not ready yet";
    case PageFault::kOtherKind: return "a page of another kind";
    case PageFault::kOtherVersion: return "a page of another version of gnomon";
    case PageFault::kOtherSize: return "a page of another size";
  }
  return "unknown page fault";
}

/// Fills in a header and makes the page valid. `Page` has kKind, kVersion and a member `header`.
template <typename Page>
void stamp(Page& page, std::uint64_t incarnation, std::uint64_t pid, std::uint64_t uptime_ns) {
  page.header.kind = static_cast<std::uint32_t>(Page::kKind);
  page.header.version = Page::kVersion;
  page.header.size = sizeof(Page);
  page.header.incarnation = incarnation;
  page.header.pid = pid;
  page.header.started_uptime_ns = uptime_ns;
  page.header.magic.store(kPageMagic, std::memory_order_release);
}

template <typename Page>
[[nodiscard]] PageFault check(const Page& page) {
  if (page.header.magic.load(std::memory_order_acquire) != kPageMagic) return PageFault::kNotAPage;
  if (page.header.kind != static_cast<std::uint32_t>(Page::kKind)) return PageFault::kOtherKind;
  if (page.header.version != Page::kVersion) return PageFault::kOtherVersion;
  if (page.header.size != sizeof(Page)) return PageFault::kOtherSize;
  return PageFault::kNone;
}

}  // namespace gnomon::page
