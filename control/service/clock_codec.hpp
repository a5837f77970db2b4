// SPDX-License-Identifier: Apache-2.0
//
// Between the clock's report and its message. Inside control/service only: this header brings in protobuf.
#pragma once

#include "control/service/clock_report.hpp"
#include "gnomon/v1/status.pb.h"

namespace gnomon::control {

void write(const ClockReport& from, v1::Clock& to);
[[nodiscard]] ClockReport read(const v1::Clock& from);

}  // namespace gnomon::control
