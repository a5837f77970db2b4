// SPDX-License-Identifier: Apache-2.0
//
// What a run was and what came of it, for people: Markdown that can stand in docs/ as it is, with the picture beside
// it. All figures come from the run; the command that makes it again stands at its top.
#pragma once

#include <filesystem>
#include <string>

#include "tests/chaos/outcome.hpp"
#include "tests/chaos/timeline.hpp"

namespace gnomon::chaos {

constexpr const char* kReportName = "chaos.md";
constexpr const char* kPictureName = "chaos.svg";

[[nodiscard]] std::string markdown_of(const ChaosRun& run, const Outcome& outcome);
[[nodiscard]] Timeline timeline_of(const ChaosRun& run, const Outcome& outcome);
/// A few lines: the verdicts, and for each that is broken what broke it.
[[nodiscard]] std::string summary_of(const Outcome& outcome);
/// Both files into a folder that is made if need be. Throws std::runtime_error.
void write_report(const std::filesystem::path& folder, const ChaosRun& run, const Outcome& outcome);

}  // namespace gnomon::chaos
