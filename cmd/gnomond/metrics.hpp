// SPDX-License-Identifier: Apache-2.0
//
// The Prometheus endpoint. Counters live in the workers' pages and are read when somebody asks, so a worker pays
// nothing for being watched; their names come from page::kCounterTable, gnomon_<name>_total{worker="N"}. What DPDK
// ports count is gnomon_port_*{port="N",device="NAME"}, what is known of a source of time
// gnomon_clock_source_*{source="DESCRIPTION"}, and what the lease service counts gnomon_lease_*
// (cmd/lease_figures.hpp).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "control/service/status_report.hpp"

namespace gnomon::cmd {

class MetricsEndpoint {
 public:
  using Report = std::function<control::StatusReport()>;

  /// `listen` is ADDRESS:PORT. `report` is called on threads of the endpoint. The error is a sentence.
  [[nodiscard]] static tl::expected<std::unique_ptr<MetricsEndpoint>, std::string> start(const std::string& listen,
                                                                                         Report report);
  virtual ~MetricsEndpoint() = default;
  MetricsEndpoint(const MetricsEndpoint&) = delete;
  MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

  /// With the real port where 0 was asked for.
  [[nodiscard]] virtual std::string bound() const = 0;

 protected:
  MetricsEndpoint() = default;
};

}  // namespace gnomon::cmd
