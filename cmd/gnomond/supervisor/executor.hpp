// SPDX-License-Identifier: Apache-2.0
//
// The executor of a dead daemon's estate: a process of its own, forked for one commit and gone after it. The supervisor
// itself never opens a store, so nothing that a store's library does can hang or break it.
//
// It decides nothing either: what may be given back is judged by control/estate.hpp. Here are the lock that proves that
// the pages have no living owner, the pages by their names, and the log.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cmd/gnomond/failure.hpp"
#include "cmd/gnomond/supervisor/supervisor.hpp"
#include "control/journal.hpp"
#include "control/store.hpp"
#include "oracle/lease/right_rules.hpp"

namespace gnomon::cmd::supervisor {

/// A store that is open for one commit.
struct OpenStore {
  control::Store* store = nullptr;
  control::Journal* journal = nullptr;
  lease::StoreFacts facts{};
  bool exclusive = true;          // its lock is held: nobody else can write there
  std::shared_ptr<void> owner{};  // of all that
};

/// Opens it as a daemon would, locks and checks included. Called only if there is something to give back.
using StoreOpener = std::function<Or<OpenStore>()>;

/// The exit code: kOk if nothing is left that could have been given back, else kRefused, and the rights run out.
[[nodiscard]] ExitCode give_back(const std::string& instance, const DeadDaemon& dead, const StoreOpener& open);

}  // namespace gnomon::cmd::supervisor
