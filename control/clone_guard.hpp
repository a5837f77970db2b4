// SPDX-License-Identifier: Apache-2.0
//
// Notices that this very process may be running twice: a virtual machine that was cloned or restored from a snapshot,
// or a process image that was carried to another boot.
//
// Memory can't tell: both copies remember the same rights, and both are right until they look outside. The hypervisor
// changes the VM generation id and the kernel sends a uevent with NEW_VMGENID=1 (Linux 6.10, or the vmgenid driver
// before); a restored process image finds another boot id. Between the cloning and the notice duplicates are possible,
// see docs/limits.md. Hosts without either mechanism are not guarded: `open` says so.
//
// Thread rule: one thread.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "platform/system_error.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::control {

/// Whether a kobject uevent (fields ended by zero bytes, the first one ACTION@PATH) announces a new VM generation id.
[[nodiscard]] bool announces_new_vm(std::string_view uevent);

class CloneGuard {
 public:
  [[nodiscard]] static tl::expected<CloneGuard, platform::SystemError> open();

  /// Readable when events are waiting.
  [[nodiscard]] int fd() const { return socket_.get(); }
  struct Heard {
    bool cloned = false;  // an event says that this machine was cloned or restored
    bool missed = false;  // the kernel had to drop events, so one may have said so
  };
  /// Takes in all waiting events.
  [[nodiscard]] Heard take_events();

  /// Listens on this netlink socket; `open` makes the right one.
  explicit CloneGuard(platform::UniqueFd socket) : socket_(std::move(socket)) {}

 private:
  platform::UniqueFd socket_;
};

/// The kernel's random id of this boot; empty if it can't be read.
[[nodiscard]] std::string read_boot_id();

}  // namespace gnomon::control
