// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/disk.hpp"

#include <cassert>
#include <cstring>
#include <utility>

#include "control/writer_lock.hpp"
#include "platform/durable_file.hpp"
#include "platform/random.hpp"
#include "platform/system_error.hpp"

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
  sim::disk().files.insert_or_assign(path, std::string(content));
  return {};
}

tl::expected<std::optional<std::string>, SystemError> read_file(const std::string& path, std::size_t /*limit*/) {
  const auto at = sim::disk().files.find(path);
  return at == sim::disk().files.end() ? std::nullopt : std::optional(at->second);
}

tl::expected<void, SystemError> sync_directory_of(const std::string& /*path*/) { return {}; }

SystemError system_error(std::string_view what) { return system_error(what, 0); }
SystemError system_error(std::string_view what, int code) { return {code, std::string(what)}; }

}  // namespace gnomon::platform

namespace gnomon::control {

tl::expected<WriterLock, StateError> WriterLock::take(const std::string& /*path*/, const std::string& /*who*/) {
  return WriterLock(platform::UniqueFd{});
}

}  // namespace gnomon::control
