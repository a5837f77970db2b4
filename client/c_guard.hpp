// SPDX-License-Identifier: Apache-2.0
//
// What the files of the C face share: errors become codes, and no exception (out of memory) passes into a C caller's
// frames.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

#include "client/client.hpp"
#include "client/gnomon.h"

struct gnomon_client {
  gnomon::client::Client client;
};

namespace gnomon::client::capi {

constexpr int kFirstCode = GNOMON_E_TIMEOUT;
static_assert(kFirstCode + static_cast<int>(ErrorKind::kTimeout) == GNOMON_E_TIMEOUT);
static_assert(kFirstCode + static_cast<int>(ErrorKind::kBusy) == GNOMON_E_BUSY);
static_assert(kFirstCode + static_cast<int>(ErrorKind::kUnauthorised) == GNOMON_E_UNAUTHORISED);
static_assert(kFirstCode + static_cast<int>(ErrorKind::kSystem) == GNOMON_E_SYSTEM, "the codes follow ErrorKind");

inline int code_of(ErrorKind kind) { return kFirstCode + static_cast<int>(kind); }

inline int report(gnomon_error* out, ErrorKind kind, std::string_view text, time::Duration retry_after) noexcept {
  if (out != nullptr) {
    out->code = code_of(kind);
    out->try_elsewhere = try_elsewhere(kind) ? 1 : 0;
    out->retry_after_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(retry_after.ns, 0));
    const std::size_t size = std::min(text.size(), sizeof out->text - 1);
    std::memcpy(out->text, text.data(), size);
    out->text[size] = '\0';
  }
  return code_of(kind);
}

inline int report(gnomon_error* out, const Error& error) noexcept {
  return report(out, error.kind, error.text, error.retry_after);
}

inline int missing(gnomon_error* out, std::string_view what) noexcept {
  return report(out, ErrorKind::kBadArgument, what, {});
}

/// Runs `body`, which returns a code.
template <typename Body>
int guarded(gnomon_error* out, const Body& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return report(out, ErrorKind::kSystem, "out of memory", {});
  } catch (const std::exception& error) {
    return report(out, ErrorKind::kSystem, error.what(), {});
  }
}

}  // namespace gnomon::client::capi
