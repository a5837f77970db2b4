// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/disk.hpp"

#include <cassert>
#include <cstring>
#include <utility>

#include "control/writer_lock.hpp"
#include "platform/durable_file.hpp"
#include "platform/random.hpp"

namespace gnomon::sim {
namespace {

thread_local Disk* disk_of_this_thread = nullptr;

Disk& disk() {
  assert(disk_of_this_thread != nullptr);
  return *disk_of_this_thread;
}

}  // namespace

Disk::Turn::Turn(Disk& disk) : before_(std::exchange(disk_of_this_thread, &disk)) {}
Disk::Turn::~Turn() { disk_of_this_thread = before_; }

}  // namespace gnomon::sim

namespace gnomon::platform {

void fill_random(std::span<std::byte> out) {
  for (std::byte& byte : out)
    byte = static_cast<std::byte>(sim::disk().random.below(256));
}

std::uint64_t random_u64() { return sim::disk().random.next(); }

tl::expected<void, SystemError> replace_durably(const std::string& path, std::string_view content) {
  return sim::disk().of_file(path).replace(path, content);
}

tl::expected<std::optional<std::string>, SystemError> read_file(const std::string& path, std::size_t /*limit*/) {
  return sim::disk().of_file(path).read(path);
}

tl::expected<void, SystemError> rename_durably(const std::string& from, const std::string& to) {
  return sim::disk().of_file(from).move(from, to);
}

bool exists(const std::string& path) { return sim::disk().of_file(path).exists(path); }

tl::expected<void, SystemError> sync_directory_of(const std::string& path) {
  return sim::disk().of_file(path).sync_directory(path);
}

}  // namespace gnomon::platform

namespace gnomon::control {

tl::expected<WriterLock, StateError> WriterLock::take(const std::string& /*path*/, const std::string& /*who*/) {
  return WriterLock(platform::UniqueFd{});
}

}  // namespace gnomon::control
