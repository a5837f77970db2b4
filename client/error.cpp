// SPDX-License-Identifier: Apache-2.0
#include "client/error.hpp"

#include "client/error_text.hpp"

namespace gnomon::client {

bool try_elsewhere(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kTimeout:
    case ErrorKind::kUnreachable:
    case ErrorKind::kNotLeased:
    case ErrorKind::kNotHolder:
    case ErrorKind::kClockUnsynchronised:
    case ErrorKind::kClockBehind:
    case ErrorKind::kBusy: return true;
    case ErrorKind::kTooFar:
    case ErrorKind::kBadFormat:
    case ErrorKind::kBadCount:
    case ErrorKind::kUnauthorised:
    case ErrorKind::kBadArgument:
    case ErrorKind::kOverloaded:
    case ErrorKind::kClosed:
    case ErrorKind::kSystem: break;
  }
  return false;
}

std::string_view text_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kTimeout: return "timeout";
    case ErrorKind::kUnreachable: return "unreachable";
    case ErrorKind::kNotLeased: return "not_leased";
    case ErrorKind::kNotHolder: return "not_holder";
    case ErrorKind::kClockUnsynchronised: return "clock_unsynchronised";
    case ErrorKind::kClockBehind: return "clock_behind";
    case ErrorKind::kBusy: return "busy";
    case ErrorKind::kTooFar: return "too_far";
    case ErrorKind::kBadFormat: return "bad_format";
    case ErrorKind::kBadCount: return "bad_count";
    case ErrorKind::kUnauthorised: return "unauthorised";
    case ErrorKind::kBadArgument: return "bad_argument";
    case ErrorKind::kOverloaded: return "overloaded";
    case ErrorKind::kClosed: return "closed";
    case ErrorKind::kSystem: return "system";
  }
  return "unknown kind of error";
}

ErrorKind kind_of(wire::Status status) {
  switch (status) {
    case wire::Status::kNotLeased: return ErrorKind::kNotLeased;
    case wire::Status::kNotHolder: return ErrorKind::kNotHolder;
    case wire::Status::kClockUnsynchronised: return ErrorKind::kClockUnsynchronised;
    case wire::Status::kClockBehind: return ErrorKind::kClockBehind;
    case wire::Status::kBusy: return ErrorKind::kBusy;
    case wire::Status::kTooFar: return ErrorKind::kTooFar;
    case wire::Status::kBadFormat: return ErrorKind::kBadFormat;
    case wire::Status::kBadCount: return ErrorKind::kBadCount;
    case wire::Status::kUnauthorised: return ErrorKind::kUnauthorised;
    case wire::Status::kOk: break;
  }
  return ErrorKind::kTimeout;
}

std::string what_was_asked(wire::Op op, id::LayoutNumber layout, std::uint64_t count) {
  switch (op) {
    case wire::Op::kNextId: break;
    case wire::Op::kHlcUpdate: return "getting a hybrid timestamp";
    case wire::Op::kNow:
    case wire::Op::kTimeSync: return "asking for the time";
    case wire::Op::kCommitWait: return "a commit-wait";
    case wire::Op::kPing:
    case wire::Op::kNextId128:
    case wire::Op::kTso: return "ping";
  }
  return "fetching " + std::to_string(count) + (count == 1 ? " ID" : " IDs") + " of layout " +
         std::to_string(layout.value);
}

std::string_view remedy(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kTimeout:
      return "; check that gnomond runs there, in a version that this client speaks to, and that no firewall drops its "
             "UDP port";
    case ErrorKind::kUnreachable: return "; start gnomond there, or correct the list of servers";
    case ErrorKind::kNotLeased: return "; the server has no right to issue at this time: see `gnomon status` there";
    case ErrorKind::kNotHolder: return "; add the holder to the list of servers";
    case ErrorKind::kClockUnsynchronised: return "; the server's clock is not synchronised: see `gnomon status` there";
    case ErrorKind::kClockBehind: return "; the server's clock was set back: ask again after the retry time";
    case ErrorKind::kBusy: return "; ask again after the retry time, or spread the load over more servers or workers";
    case ErrorKind::kTooFar: return "; the value lies too far ahead of the server's time: check this host's clock";
    case ErrorKind::kBadFormat:
      return "; it does not serve this layout, or the layout is exhausted: see `gnomon status` there";
    case ErrorKind::kBadCount: return "; ask for fewer, or gather several ranges with next_ids";
    case ErrorKind::kUnauthorised: return "; check the key's number and bytes on both sides";
    case ErrorKind::kBadArgument:
    case ErrorKind::kOverloaded:
    case ErrorKind::kClosed:
    case ErrorKind::kSystem: break;
  }
  return "";
}

std::string milliseconds_text(time::Duration d) {
  const std::int64_t tenths = d.ns / 100'000;
  std::string text = std::to_string(tenths / 10);
  if (tenths < 100) text += "." + std::to_string(tenths % 10);
  return text + " ms";
}

}  // namespace gnomon::client
