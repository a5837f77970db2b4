// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/drive.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "platform/replace_in_order.hpp"

namespace gnomon::sim {

using platform::system_error;

// ---- what the production code does

// In the middle of it either content may be what the next one finds.
Drive::Done Drive::replace(const std::string& path, std::string_view content) {
  Promise& promise = promises_[path];
  promise.maybe = std::string(content);
  const bool was_dark = dark_;
  auto done = platform::replace_in_order(*this, path, content);
  if (dark_ && !was_dark) cut_ = true;
  if (!done) return done;
  promise.kept = std::exchange(promise.maybe, std::nullopt);
  ++replaced_;
  return done;
}

tl::expected<std::optional<std::string>, platform::SystemError> Drive::read(const std::string& path) {
  if (dark_) return tl::make_unexpected(system_error("open " + path, EIO));
  const auto at = names_.find(path);
  return at == names_.end() ? std::nullopt : std::optional(at->second->content);
}

Drive::Done Drive::move(const std::string& from, const std::string& to) {
  if (auto renamed = rename(from, to); !renamed) return renamed;
  promises_.erase(from);
  return sync_directory(to);
}

// ---- its steps

// The one in which the power goes is not done.
Drive::Done Drive::step(std::string_view what) {
  if (!dark_ && steps_left_) {
    if (*steps_left_ == 0)
      lose_power_now();
    else
      --*steps_left_;
  }
  if (dark_) return tl::make_unexpected(system_error(what, EIO));
  return {};
}

tl::expected<Drive::Handle, platform::SystemError> Drive::create(const std::string& path) {
  if (auto done = step("create " + path); !done) return tl::make_unexpected(done.error());
  if (full_ && random_.below(4) == 0) return tl::make_unexpected(system_error("create " + path, ENOSPC));
  const auto at = names_.find(path);
  if (at != names_.end()) {
    at->second->content.clear();
    at->second->synced = at->second->flipped = false;
    return at->second;
  }
  auto file = std::make_shared<File>(File{.content = {}, .path = path});
  change_names({{path, file}});
  return file;
}

// On a full disk, or when the power goes, the beginning of it may be there.
Drive::Done Drive::write(const Handle& file, std::string_view content) {
  const std::string what = "write " + file->path;
  auto done = step(what);
  if (done && full_ && random_.below(4) != 0) done = tl::make_unexpected(system_error(what, ENOSPC));
  file->content = content.substr(0, done ? content.size() : random_.below(content.size() + 1));
  file->synced = file->flipped = false;
  return done;
}

// Where space is allotted late, that there is none shows only here.
Drive::Done Drive::sync(const Handle& file) {
  const std::string what = "sync " + file->path;
  if (auto done = step(what); !done) return done;
  if (full_) return tl::make_unexpected(system_error(what, ENOSPC));
  file->synced = true;
  return {};
}

Drive::Done Drive::rename(const std::string& from, const std::string& to) {
  const std::string what = "rename " + from + " to " + to;
  if (auto done = step(what); !done) return done;
  const auto at = names_.find(from);
  if (at == names_.end()) return tl::make_unexpected(system_error(what, ENOENT));
  change_names({{from, nullptr}, {to, at->second}});
  return {};
}

Drive::Done Drive::sync_directory(const std::string& path) {
  if (auto done = step("sync directory of " + path); !done) return done;
  on_disk_ = names_;
  not_on_disk_.clear();
  return {};
}

void Drive::change_names(std::vector<Change> changes) {
  for (const Change& change : changes)
    if (change.file)
      names_.insert_or_assign(change.path, change.file);
    else
      names_.erase(change.path);
  not_on_disk_.push_back(std::move(changes));
}

// ---- what befalls it

time::Duration Drive::draw_slowness() { return slow() ? random_.between(slow_ / 2, slow_ * 2) : slow_; }

void Drive::lose_power_now() {
  dark_ = true;
  steps_left_.reset();
}

void Drive::tear(File& file) {
  if (std::exchange(file.synced, true)) return;
  const std::size_t size = file.content.size();
  const std::uint64_t draw = random_.below(4);
  if (draw == 0) file.content.clear();
  if (draw == 1) file.content.resize(random_.below(size + 1));
  if (draw == 2) file.content.replace(size / 2, std::string::npos, size - size / 2, '\0');  // allotted, and not written
}

Drive::AfterPower Drive::power_on() {
  dark_ = cut_ = false;
  const std::size_t kept = random_.below(not_on_disk_.size() + 1);
  for (std::size_t i = 0; i < kept; ++i)
    for (const Change& change : not_on_disk_[i])
      if (change.file)
        on_disk_.insert_or_assign(change.path, change.file);
      else
        on_disk_.erase(change.path);
  not_on_disk_.clear();
  names_ = on_disk_;
  AfterPower after;
  for (const auto& [path, file] : names_) {
    const std::string before = file->content;
    tear(*file);
    if (file->content != before) ++after.torn;
  }
  for (auto& [path, promise] : promises_) {
    if (!is_flipped(path) && !keeps_promise(path, promise)) after.broken = path;
    const auto at = names_.find(path);
    promise.kept = at == names_.end() ? std::nullopt : std::optional(at->second->content);
    promise.maybe.reset();
  }
  return after;
}

bool Drive::keeps_promise(const std::string& path, const Promise& promise) const {
  const auto at = names_.find(path);
  if (at == names_.end()) return !promise.kept;
  return at->second->content == promise.kept || at->second->content == promise.maybe;
}

bool Drive::flip_a_bit(const std::string& path) {
  const auto at = names_.find(path);
  if (at == names_.end() || at->second->content.empty()) return false;
  std::string& content = at->second->content;
  content[random_.below(content.size())] ^= static_cast<char>(1U << random_.below(8));
  at->second->flipped = true;
  return true;
}

Drive::Image Drive::image() const {
  Image image;
  for (const auto& [path, file] : names_)
    image.emplace(path, file->content);
  return image;
}

void Drive::put_back(const Image& image) {
  names_.clear();
  not_on_disk_.clear();
  for (auto& [path, promise] : promises_)
    promise.kept = promise.maybe = std::nullopt;
  for (const auto& [path, content] : image) {
    names_.emplace(path, std::make_shared<File>(File{.content = content, .path = path, .synced = true}));
    if (const auto promise = promises_.find(path); promise != promises_.end()) promise->second.kept = content;
  }
  on_disk_ = names_;
}

}  // namespace gnomon::sim
