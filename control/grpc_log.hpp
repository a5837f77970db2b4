// SPDX-License-Identifier: Apache-2.0
//
// gRPC's own log. It writes to stderr by itself, in a format of its own, about every connection that fails; the log of
// the daemon and the answers of the command line have lines of one kind only, and say what matters of that in words
// (control/etcd/etcd_error.hpp). Who is after gRPC itself sets GRPC_VERBOSITY or GRPC_TRACE, and has it all.
//
// Newer releases log through abseil and have no such switch; their default is what is asked for here.
#pragma once

#include <grpc/support/log.h>
#include <grpcpp/version_info.h>

#include <cstdlib>

namespace gnomon::control {

/// For all of the process; called before gRPC is used, as often as one likes, by any thread.
inline void keep_grpc_quiet() {
#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 65
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets either while this process runs
  if (std::getenv("GRPC_VERBOSITY") == nullptr && std::getenv("GRPC_TRACE") == nullptr)
    gpr_set_log_function([](gpr_log_func_args*) {});
#endif
}

}  // namespace gnomon::control
