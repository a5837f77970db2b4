// SPDX-License-Identifier: Apache-2.0
//
// What may stand in an option of type text, beyond being text. Each check returns what is wrong and what to write
// instead, or an empty string.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/id/layout.hpp"

namespace gnomon::cmd {

/// Of the lease service.
constexpr std::uint16_t kLeasePort = 14667;

[[nodiscard]] std::string instance_fault(std::string_view text);
[[nodiscard]] std::string endpoint_fault(std::string_view text);
[[nodiscard]] std::string endpoint_or_empty_fault(std::string_view text);
/// ADDRESS[:PORT], with kLeasePort unless one is named.
[[nodiscard]] std::string lease_endpoint_fault(std::string_view text);
[[nodiscard]] std::string cidr_fault(std::string_view text);
[[nodiscard]] std::string layout_name_fault(std::string_view text);
[[nodiscard]] std::string store_fault(std::string_view text);
/// A source of time (ptp/sources.hpp).
[[nodiscard]] std::string source_fault(std::string_view text);
/// DRIVERNAME[,KEY=VALUE...] or [DOMAIN:]BUS:DEVICE.FUNCTION[,KEY=VALUE...].
[[nodiscard]] std::string device_fault(std::string_view text);
/// Arguments of EAL, separated by blanks; none that an option of ours stands for.
[[nodiscard]] std::string eal_arguments_fault(std::string_view text);

/// The part of a device text that says which device is meant, in one spelling: two devices may not share it.
[[nodiscard]] std::string device_identity(std::string_view text);

/// NUMBER:NAME:EPOCH:UNIT:TIME/MACHINE/SEQUENCE, e.g. 16:orders:2024-01-01:1ms:41/10/12.
[[nodiscard]] tl::expected<id::Layout, std::string> parse_layout(std::string_view text);
/// The same form.
[[nodiscard]] std::string text_of(const id::Layout& layout);

}  // namespace gnomon::cmd
