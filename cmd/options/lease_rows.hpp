// SPDX-License-Identifier: Apache-2.0
//
// The rows of the section [lease], for table.cpp alone: its own file only because that one is long.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "cmd/options/checks.hpp"
#include "cmd/options/table.hpp"

namespace gnomon::cmd {

#define GNOMON_FIELD(path) [](Settings& s) -> Field { return &s.path; }

inline constexpr std::array kLeaseRows{
    OptionRow{.section = "lease",
              .key = "listen",
              .field = GNOMON_FIELD(lease.listen),
              .fault = lease_endpoint_fault,
              .help = "TCP addresses to serve leases on, with mutual TLS, each as ADDRESS[:PORT]; the port is 14667 "
                      "unless it is named, 0 takes a free one. 0.0.0.0 and [::] both mean every address of either "
                      "family. Empty: leases are served on the Unix socket only."},
    OptionRow{.section = "lease",
              .key = "ca_file",
              .field = GNOMON_FIELD(lease.ca_file),
              .help = "PEM file of the authorities whose certificates clients have to show; needed with lease.listen. "
                      "This file and the next two are read again when they change."},
    OptionRow{.section = "lease",
              .key = "cert_file",
              .field = GNOMON_FIELD(lease.cert_file),
              .help = "PEM file of this daemon's certificate, with the chain up to its authority; likewise."},
    OptionRow{.section = "lease",
              .key = "key_file",
              .field = GNOMON_FIELD(lease.key_file),
              .help = "PEM file of its private key; only its owner may read it."},
    OptionRow{.section = "lease",
              .key = "min_ttl_ms",
              .field = GNOMON_FIELD(lease.min_ttl_ms),
              .unit = "ms",
              .default_text = "1000",
              .min = 100,
              .max = 86'400'000,
              .help = "The shortest TTL that a session may have. Each costs a commit for every third of it."},
    OptionRow{.section = "lease",
              .key = "max_ttl_ms",
              .field = GNOMON_FIELD(lease.max_ttl_ms),
              .unit = "ms",
              .default_text = "600000",
              .min = 100,
              .max = 86'400'000,
              .help = "The longest. So long others wait for the leases of a client that died, and so long after "
                      "the floor of a recovery of the store no lease is granted: the same on all daemons of a store."},
    OptionRow{.section = "lease",
              .key = "threads",
              .field = GNOMON_FIELD(lease.threads),
              .default_text = "8",
              .min = 1,
              .max = 64,
              .help =
                  "Commits for leases that are under way in etcd at once; each has a thread and a connection of its "
                  "own. A SQLite store has one."},
    OptionRow{.section = "lease",
              .key = "rate_per_client",
              .field = GNOMON_FIELD(lease.rate_per_client),
              .unit = "calls/s",
              .default_text = "5000",
              .min = 1,
              .max = 1'000'000,
              .help = "Most calls per second of a client at one address; more are refused as exhausted."},
    OptionRow{.section = "lease",
              .key = "rate_burst",
              .field = GNOMON_FIELD(lease.rate_burst),
              .unit = "calls",
              .default_text = "10000",
              .min = 1,
              .max = 1'000'000,
              .help = "How many of them may come at once under that limit."},
    OptionRow{.section = "lease",
              .key = "calls_per_client",
              .field = GNOMON_FIELD(lease.calls_per_client),
              .default_text = "2000",
              .min = 1,
              .max = 100'000,
              .help = "How many calls of a client may be open at once, those that wait for a lease and watches "
                      "included."},
    OptionRow{.section = "lease",
              .key = "sessions_per_client",
              .field = GNOMON_FIELD(lease.sessions_per_client),
              .default_text = "10000",
              .min = 1,
              .max = 1'000'000,
              .help = "How many sessions a client may have, those included that are over and not swept away yet. "
                      "Everybody on the Unix socket is one client, and so is everybody with a certificate of one "
                      "name."},
    OptionRow{.section = "lease",
              .key = "leases_per_session",
              .field = GNOMON_FIELD(lease.leases_per_session),
              .default_text = "1000",
              .min = 1,
              .max = 100'000,
              .help = "How many leases may hang on a session, places in queues included."},
    OptionRow{.section = "lease",
              .key = "leases_per_client",
              .field = GNOMON_FIELD(lease.leases_per_client),
              .default_text = "250000",
              .min = 1,
              .max = 10'000'000,
              .help = "How many may hang on all sessions of a client. Each costs about a kilobyte, in the store and in "
                      "every daemon."},
    OptionRow{.section = "lease",
              .key = "waiters_per_name",
              .field = GNOMON_FIELD(lease.waiters_per_name),
              .default_text = "1000",
              .min = 1,
              .max = 100'000,
              .help = "How many sessions may wait for a lease."},
};
#undef GNOMON_FIELD

/// The rows, and those of leases behind them.
template <std::size_t N>
std::array<OptionRow, N + kLeaseRows.size()> with_lease_rows(const std::array<OptionRow, N>& rows) {
  std::array<OptionRow, N + kLeaseRows.size()> out;
  std::copy(kLeaseRows.begin(), kLeaseRows.end(), std::copy(rows.begin(), rows.end(), out.begin()));
  return out;
}

}  // namespace gnomon::cmd
