// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/frame/room.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace gnomon::frame::testing {
namespace {

constexpr std::byte kCanary{0xc5};
constexpr std::byte kJunk{0xa7};
constexpr std::size_t kMapped = Room::kCanaries + Room::kSize;

std::size_t page_size() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }
std::size_t usable() { return (kMapped + page_size() - 1) / page_size() * page_size(); }

}  // namespace

Room::Room() {
  void* const pages = mmap(nullptr, usable() + page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::runtime_error("no memory for a frame");
  pages_ = static_cast<std::byte*>(pages);
  if (mprotect(pages_ + usable(), page_size(), PROT_NONE) != 0) throw std::runtime_error("no guard behind a frame");
}

Room::~Room() { munmap(pages_, usable() + page_size()); }

Frame Room::place(std::span<const std::byte> bytes, std::size_t capacity) {
  if (bytes.size() > capacity || capacity > kSize) throw std::invalid_argument("a frame that does not fit");
  placed_ = pages_ + usable() - capacity;
  std::memset(placed_ - kCanaries, std::to_integer<int>(kCanary), kCanaries);
  std::copy(bytes.begin(), bytes.end(), placed_);
  std::memset(placed_ + bytes.size(), std::to_integer<int>(kJunk), capacity - bytes.size());
  return {.data = placed_, .length = bytes.size(), .capacity = capacity};
}

bool Room::front_is_intact() const {
  return std::all_of(placed_ - kCanaries, placed_, [](std::byte b) { return b == kCanary; });
}

}  // namespace gnomon::frame::testing
