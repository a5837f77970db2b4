// SPDX-License-Identifier: Apache-2.0
//
// Why the daemon does not start, or stops: the exit code and a sentence that says what happened, to what, and what to
// do.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "cmd/exit_code.hpp"

namespace gnomon::cmd {

struct Failure {
  ExitCode code = ExitCode::kRefused;
  std::string text;
};

template <typename T>
using Or = tl::expected<T, Failure>;

[[nodiscard]] inline tl::unexpected<Failure> refused(std::string text) {
  return tl::make_unexpected(Failure{ExitCode::kRefused, std::move(text)});
}

}  // namespace gnomon::cmd
