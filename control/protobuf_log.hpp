// SPDX-License-Identifier: Apache-2.0
//
// protobuf's own log. It writes a line to stderr, in a format of its own, for each text of a message that is no UTF-8:
// a stranger who may send messages could so fill the daemon's log with lines that name neither him nor a time. Such a
// message is refused without that, as one that can't be read.
//
// The switch is that of Debian 12 and 13, which have 3.21. Releases from 22 on log through abseil, and have none.
#pragma once

#include <google/protobuf/stubs/common.h>

#if GOOGLE_PROTOBUF_VERSION < 4022000
#include <google/protobuf/stubs/logging.h>
#endif

namespace gnomon::control {

/// For all of the process; called while there is one thread, as often as one likes.
inline void keep_protobuf_quiet() {
#if GOOGLE_PROTOBUF_VERSION < 4022000
  google::protobuf::SetLogHandler(nullptr);
#endif
}

}  // namespace gnomon::control
