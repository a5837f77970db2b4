// SPDX-License-Identifier: Apache-2.0
//
// What the options say once file, environment and flags have been merged: every field is filled, in bounds and of its
// type. The rows of table.cpp point here; defaults stand there and nowhere else.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "oracle/id/layout.hpp"

namespace gnomon::cmd {

struct Settings {
  struct {
    std::string instance;
    bool supervise = false;
    std::vector<std::string> listen;
  } server;
  struct {
    std::int64_t count = 0;
    std::vector<std::int64_t> cpus;
    std::int64_t ids_per_worker = 0;
    std::string poll;
    std::int64_t busy_poll_us = 0;
    std::int64_t park_limit = 0;
    std::int64_t park_for_ms = 0;
    std::int64_t commit_wait_limit = 0;
    std::int64_t max_commit_wait_ms = 0;
    std::int64_t hlc_max_ahead_ms = 0;
    bool gro = false;
    bool lock_memory = false;
  } workers;
  struct {
    std::vector<std::string> devices;
    std::string memory;
    std::int64_t memory_mb = 0;
    std::int64_t rx_descriptors = 0;
    std::int64_t tx_descriptors = 0;
    std::int64_t mtu = 0;
    std::vector<std::int64_t> vlans;
    std::string steering;
    std::string eal_args;
  } dpdk;
  struct {
    std::vector<std::string> layouts;
    std::vector<id::Layout> custom;
    bool rotating_start = false;
    std::vector<std::int64_t> pinned;
  } ids;
  struct {
    std::int64_t window_ms = 0;
    std::int64_t max_lead_ms = 0;
    std::string lead_policy;
    std::int64_t machine_ids = 0;
  } rights;
  struct {
    std::string url;
    std::string ca_file;
    std::string cert_file;
    std::string key_file;
    std::string user;
    std::string password_file;
    std::int64_t timeout_ms = 0;
    std::int64_t heartbeat_ms = 0;
    std::int64_t clock_tolerance_ms = 0;
    std::int64_t history_days = 0;
  } store;
  struct {
    std::string dir;
  } state;
  struct {
    std::vector<std::string> sources;
    std::int64_t bound_us = 0;
    std::int64_t oscillator_ppb = 0;
    std::int64_t source_timeout_ms = 0;
    std::int64_t holdover_ms = 0;
    std::int64_t max_epsilon_us = 0;
    std::int64_t start_wait_ms = 0;
    std::string leap_file;
    std::int64_t confirm_ms = 0;
    std::string offset_file;
  } clock;
  struct {
    std::vector<std::string> allow;
    std::vector<std::string> deny;
    std::int64_t rate_per_source = 0;
    std::int64_t rate_burst = 0;
    std::string auth;
    std::string keys_file;
  } access;
  struct {
    std::string socket;
    std::string socket_mode;
  } control;
  struct {
    std::string listen;
  } metrics;
  struct {
    std::string level;
    std::string format;
  } log;
  struct {
    std::vector<std::string> listen;
    std::string ca_file;
    std::string cert_file;
    std::string key_file;
    std::int64_t min_ttl_ms = 0;
    std::int64_t max_ttl_ms = 0;
    std::int64_t threads = 0;
    std::int64_t rate_per_client = 0;
    std::int64_t rate_burst = 0;
    std::int64_t calls_per_client = 0;
    std::int64_t sessions_per_client = 0;
    std::int64_t leases_per_session = 0;
    std::int64_t leases_per_client = 0;
    std::int64_t waiters_per_name = 0;
  } lease;
};

/// Where the value of a row lives.
using Field = std::variant<bool*, std::int64_t*, std::string*, std::vector<std::int64_t>*, std::vector<std::string>*,
                           std::vector<id::Layout>*>;
/// The value of one option: the same types, in the same order.
using Value = std::variant<bool, std::int64_t, std::string, std::vector<std::int64_t>, std::vector<std::string>,
                           std::vector<id::Layout>>;

}  // namespace gnomon::cmd
