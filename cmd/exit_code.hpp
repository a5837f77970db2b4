// SPDX-License-Identifier: Apache-2.0
//
// Exit codes of gnomond and gnomon. Scripts branch on them, so they are few, stable and the same in both programs.
#pragma once

namespace gnomon::cmd {

enum class ExitCode : int {
  kOk = 0,
  kRefused = 1,         // understood, and refused: by the service, the store, the state or an ID that does not decode
  kUsage = 2,           // the command line or the configuration is wrong
  kUnreachable = 3,     // no answer: nothing is there, or it does not reply in time
  kUnsynchronised = 4,  // the service answers, but its clock does not allow what was asked
};

constexpr int status_of(ExitCode code) { return static_cast<int>(code); }

}  // namespace gnomon::cmd
