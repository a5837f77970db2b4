// SPDX-License-Identifier: Apache-2.0
//
// The disk of one simulated host: files that outlive processes, and what becomes of them when the power of the whole
// host is lost. What a process wrote is only on the disk once it was synced, and a name only once its directory was:
// until then a loss of power leaves, of the data, the beginning, nothing or all of it, and of the names the first few
// changes in their order, as a file system with a journal of its own does (Pillai et al., "All File Systems Are Not
// Created Equal", OSDI 2014). That a name is on the disk before the data that it names is therefore possible.
//
// It has what platform/replace_in_order.hpp asks for, so the order of the production code is what runs on it.
//
//   full      nothing can be created, written or synced; what is there stays
//   slow      said to whoever writes: he has to stand still for as long
//   dark      the power is gone, at once or in the middle of a replacement: nothing can be done until it is back
//   flipped   a bit of a file at rest is another one
//   replaced  all files are those of an earlier image
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"
#include "platform/system_error.hpp"
#include "tests/sim/random.hpp"

namespace gnomon::sim {

class Drive {
 public:
  using Done = tl::expected<void, platform::SystemError>;
  struct File {
    std::string content;
    std::string path;  // that it was created under
    bool synced = false;
    bool flipped = false;  // it is not what was written to it
  };
  using Handle = std::shared_ptr<File>;

  explicit Drive(Random random) : random_(random) {}

  // For the production code.
  [[nodiscard]] Done replace(const std::string& path, std::string_view content);
  [[nodiscard]] tl::expected<std::optional<std::string>, platform::SystemError> read(const std::string& path);
  [[nodiscard]] Done move(const std::string& from, const std::string& to);
  [[nodiscard]] bool exists(const std::string& path) const { return names_.contains(path); }

  // Its steps, for replace_in_order.
  [[nodiscard]] tl::expected<Handle, platform::SystemError> create(const std::string& path);
  [[nodiscard]] Done write(const Handle& file, std::string_view content);
  [[nodiscard]] Done sync(const Handle& file);
  [[nodiscard]] Done rename(const std::string& from, const std::string& to);
  [[nodiscard]] Done sync_directory(const std::string& path);

  // What befalls it.
  void set_full(bool full) { full_ = full; }
  [[nodiscard]] bool full() const { return full_; }
  /// A write takes this long, or up to twice as long; zero: no time.
  void set_slow(time::Duration typical) { slow_ = typical; }
  [[nodiscard]] bool slow() const { return slow_ != time::Duration{}; }
  [[nodiscard]] time::Duration draw_slowness();
  /// The power is lost in the step after so many others; on an idle disk it lasts until there is one.
  void lose_power_after(std::uint32_t steps) { steps_left_ = steps; }
  [[nodiscard]] bool is_to_lose_power() const { return steps_left_.has_value(); }
  void keep_power() { steps_left_.reset(); }
  void lose_power_now();
  [[nodiscard]] bool dark() const { return dark_; }
  /// In the middle of a replacement.
  [[nodiscard]] bool was_cut() const { return cut_; }

  struct AfterPower {
    std::size_t torn = 0;  // files that are not what was written to them
    std::string broken;    // a path that holds what it never may, empty: none
  };
  /// The power is back: what of the files is on the disk.
  [[nodiscard]] AfterPower power_on();

  /// False: there is no such file, or it is empty.
  [[nodiscard]] bool flip_a_bit(const std::string& path);
  [[nodiscard]] bool is_flipped(const std::string& path) const {
    const auto at = names_.find(path);
    return at != names_.end() && at->second->flipped;
  }

  using Image = std::map<std::string, std::string>;
  [[nodiscard]] Image image() const;
  void put_back(const Image& image);
  /// Replacements that came to their end.
  [[nodiscard]] std::uint64_t replaced() const { return replaced_; }

 private:
  struct Change {
    std::string path;
    Handle file;  // none: the name is gone
  };
  /// What a path may hold after a loss of power.
  struct Promise {
    std::optional<std::string> kept;   // the last that was replaced for certain
    std::optional<std::string> maybe;  // and that which came, or was to come, after it
  };
  [[nodiscard]] Done step(std::string_view what);
  void change_names(std::vector<Change> changes);
  void tear(File& file);
  [[nodiscard]] bool keeps_promise(const std::string& path, const Promise& promise) const;

  Random random_;
  std::map<std::string, Handle> names_;
  std::map<std::string, Handle> on_disk_;         // as the directory was synced last
  std::vector<std::vector<Change>> not_on_disk_;  // each at once or not at all, in their order
  std::map<std::string, Promise> promises_;
  std::optional<std::uint32_t> steps_left_;
  time::Duration slow_;
  std::uint64_t replaced_ = 0;
  bool full_ = false;
  bool dark_ = false;
  bool cut_ = false;
};

}  // namespace gnomon::sim
