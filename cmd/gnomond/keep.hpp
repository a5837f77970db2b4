// SPDX-License-Identifier: Apache-2.0
//
// Where this daemon's rights are kept, opened and checked: a SQLite database of its own, or etcd, which it shares. The
// rest of the daemon does not ask which; the agent is told whether others may be there.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "cmd/gnomond/failure.hpp"
#include "cmd/options/settings.hpp"
#include "control/etcd/etcd_store.hpp"
#include "control/lease/ordered_store.hpp"
#include "control/shared_state.hpp"
#include "control/state.hpp"
#include "oracle/id/layout.hpp"

namespace gnomon::cmd {

class Keep {
 public:
  /// Errors are sentences. etcd that can't be reached is tried again for `patience`. `waiting` is called before each
  /// attempt but the first, with what is new to tell; when it says false, that's the end.
  [[nodiscard]] static Or<Keep> open(const Settings& settings, const std::string& state_dir,
                                     std::chrono::milliseconds patience,
                                     const std::function<bool(const std::string&)>& waiting);

  /// Those of the wanted layouts that the store does not have yet are added; as `open`, with the same patience.
  [[nodiscard]] Or<void> ensure_layouts(std::span<const id::Layout> wanted, std::chrono::milliseconds patience,
                                        const std::function<bool(const std::string&)>& waiting);

  /// Of a SQLite store: any thread, each in its turn. Of an etcd: the agent's.
  [[nodiscard]] control::Store& store();
  /// The same, if it is one for several threads; else nullptr.
  [[nodiscard]] control::OrderedStore* ordered() { return ordered_.get(); }
  [[nodiscard]] control::Journal& journal() { return local_ ? local_->journal : shared_->journal; }
  [[nodiscard]] const control::StoreMeta& meta() const { return local_ ? local_->meta : shared_->meta; }
  /// No other daemon can be using the store.
  [[nodiscard]] bool exclusive() const { return local_ != nullptr; }
  /// Another etcd answers in the place of the one that was opened.
  [[nodiscard]] bool was_replaced() const { return etcd_ && etcd_->met_another_cluster(); }
  /// Nothing was there before.
  [[nodiscard]] bool created() const { return local_ ? local_->created : shared_->created; }
  /// As store.url, with what it left open filled in.
  [[nodiscard]] const std::string& url() const { return url_; }
  /// The file that a cloning leaves; empty on a shared store.
  [[nodiscard]] const std::string& clone_mark() const { return clone_mark_; }

 private:
  Keep() = default;
  [[nodiscard]] static Or<Keep> open_local(const Settings& settings, const std::string& state_dir);
  [[nodiscard]] static Or<Keep> open_shared(const Settings& settings, const std::string& state_dir,
                                            std::chrono::milliseconds patience,
                                            const std::function<bool(const std::string&)>& waiting);

  std::unique_ptr<control::EtcdStore> etcd_;
  std::unique_ptr<control::SharedState> shared_;    // with etcd_
  std::unique_ptr<control::State> local_;           // alone
  std::unique_ptr<control::OrderedStore> ordered_;  // in front of local_'s
  std::string url_;
  std::string clone_mark_;
};

}  // namespace gnomon::cmd
