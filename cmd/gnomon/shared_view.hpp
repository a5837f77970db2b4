// SPDX-License-Identifier: Apache-2.0
//
// The commands that look at a whole store, on which many hosts may have daemons: who holds which machine id (right
// list), how the store and its daemons are (cluster), and who can have issued an ID (audit). None of them changes
// anything.
#pragma once

#include <optional>
#include <string>

#include "cmd/gnomon/known_layouts.hpp"
#include "cmd/gnomon/output.hpp"
#include "cmd/gnomon/rights_view.hpp"
#include "cmd/gnomon/store_place.hpp"

namespace gnomon::cmd {

struct RightListOptions {
  StorePlace place;
  RightFilter filter;
};
[[nodiscard]] ExitCode run_right_list(const RightListOptions& options, const Output& output);

struct ClusterOptions {
  StorePlace place;
  // Between the two looks at the sessions; 0: one look, which can't say who is alive. None: two heartbeats, as
  // configured.
  std::optional<double> interval_s;
};
/// kRefused, after the view, if something is wrong.
[[nodiscard]] ExitCode run_cluster(const ClusterOptions& options, const Output& output);

struct AuditOptions {
  StorePlace place;
  std::string id;         // decimal, or hexadecimal after 0x
  LayoutOptions layouts;  // without a layout: under every known one
};
/// kRefused, after the view, if nobody can have issued it.
[[nodiscard]] ExitCode run_audit(const AuditOptions& options, const Output& output);

}  // namespace gnomon::cmd
