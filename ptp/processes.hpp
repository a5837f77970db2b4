// SPDX-License-Identifier: Apache-2.0
//
// Whether a program of a given name runs on this host. phc2sys copies one clock into another, and there is no other way
// to notice it: it has no socket. Reads /proc, so it is for the daemon's main thread, every few seconds.
#pragma once

#include <filesystem>
#include <string_view>

namespace gnomon::ptp {

/// By the kernel's name of the process, at most 15 characters. Where the processes of others are hidden from us (a
/// mount of /proc with hidepid, systemd's ProtectProc, a container), it may run: then the answer is yes.
[[nodiscard]] bool process_runs(std::string_view name, const std::filesystem::path& proc = "/proc");

}  // namespace gnomon::ptp
