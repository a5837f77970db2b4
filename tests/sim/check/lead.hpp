// SPDX-License-Identifier: Apache-2.0
//
// The lead budget: no unit starts further ahead of the source than max_lead. The source counts as what it said to the
// clock record that the burst used, run on to the burst: a step that nobody has sampled yet is nobody's fault, and
// neither is a counter that has jumped since.
//
// Slack: the width of a sample (up to 200 us), what the counters of two cores may differ by (up to 50 us), and what the
// timeline (500 ppm) and the cycle counter (200 ppm) may drift from the source since the record.
#pragma once

#include <fmt/format.h>

#include "oracle/time/instant.hpp"
#include "tests/sim/check/issue.hpp"
#include "tests/sim/check/report.hpp"

namespace gnomon::sim {

class LeadBudget {
 public:
  LeadBudget(Report& report, time::Duration max_lead) : report_(report), max_lead_(max_lead) {}

  void issued(const Issue& issue) {
    if (!issue.counter_ran_on) return;
    const time::Duration slack = time::microseconds(300) + issue.record_age * 750 / 1'000'000;
    const time::Duration lead = issue.start() - issue.source;
    if (lead > max_lead_ + slack)
      report_.fail("lead", fmt::format("the unit of {:#x} starts {} ns ahead of the source; the budget is {} ns",
                                       issue.first.value, lead.ns, max_lead_.ns));
  }

 private:
  Report& report_;
  time::Duration max_lead_;
};

}  // namespace gnomon::sim
