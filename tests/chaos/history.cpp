// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/history.hpp"

namespace gnomon::chaos {

std::string_view text_of(Kind kind) {
  switch (kind) {
    case Kind::kId: return "id";
    case Kind::kBatch: return "batch";
    case Kind::kHlc: return "hlc";
    case Kind::kNow: return "now";
    case Kind::kCommit: return "commit";
    case Kind::kLease: return "lease";
  }
  return "unknown";
}

std::string_view what_of(Kind kind) {
  switch (kind) {
    case Kind::kId: return "IDs asked for singly or a few at a time";
    case Kind::kBatch: return "IDs asked for by the thousand";
    case Kind::kHlc: return "hybrid timestamps";
    case Kind::kNow: return "intervals of the true time";
    case Kind::kCommit: return "commits with their wait";
    case Kind::kLease: return "grants of leases";
  }
  return "unknown";
}

}  // namespace gnomon::chaos
