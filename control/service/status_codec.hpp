// SPDX-License-Identifier: Apache-2.0
//
// Between the report and its message. Inside control/service only: this header brings in protobuf.
#pragma once

#include "control/service/status_report.hpp"
#include "gnomon/v1/status.pb.h"

namespace gnomon::control {

[[nodiscard]] v1::GetStatusResponse to_message(const StatusReport& report);
[[nodiscard]] StatusReport from_message(const v1::GetStatusResponse& message);

}  // namespace gnomon::control
