// SPDX-License-Identifier: Apache-2.0
#include "client/shared_clock.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "client/commit_wait.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/clock_reader.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/shared_page.hpp"
#include "platform/uptime.hpp"

namespace gnomon::client {
namespace {

using Page = platform::ForeignPage<page::ClockPage>;

constexpr std::size_t kMaxInstanceName = 32;  // gnomond's own limit

bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

bool is_instance_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxInstanceName && std::all_of(text.begin(), text.end(), is_name_char);
}

tl::unexpected<Error> refuse(ErrorKind kind, std::string text) {
  return tl::make_unexpected(Error{kind, std::move(text), {}, {}});
}

}  // namespace

class SharedClockState {
 public:
  SharedClockState(std::string name_of_page, Page page_to_read)
      : name_(std::move(name_of_page)), page_(std::move(page_to_read)), reader_(*page_) {}

  [[nodiscard]] time::Now read() { return reader_.at(platform::read_cycles()); }
  [[nodiscard]] Result<time::Interval> now() {
    const time::Now now = read();
    if (now) [[likely]]
      return *now;
    return look_further();
  }

 private:
  void look_for_another_page();
  [[nodiscard]] Result<time::Interval> look_further();

  std::string name_;
  Page page_;
  page::ClockReader reader_;  // of `page_`, whose mapping does not move with it
  time::Uptime looked_at_ = time::Uptime::min();
  std::string trouble_;  // what was wrong with the page that stood under the name at the last look
};

void SharedClockState::look_for_another_page() {
  const time::Uptime here = platform::read_uptime();
  if (time::saturating_sub(here, looked_at_) < SharedClock::kLookInterval) return;
  looked_at_ = here;
  auto other = Page::open(name_);
  trouble_ = other ? std::string() : std::move(other.error().text);
  // Of the page that we have we also have the last good copy; a new reader might find it in the middle of a write.
  if (!other || (*other)->header.incarnation == page_->header.incarnation) return;
  page_ = std::move(*other);
  reader_ = page::ClockReader(*page_);
}

Result<time::Interval> SharedClockState::look_further() {
  look_for_another_page();
  // On the same page, too: who was held up between counter and page met a line that is younger than his reading.
  const time::Now now = read();
  if (now) return *now;
  std::string text = "no time from /dev/shm/" + name_ + ": ";
  text += time::text_of(now.error());
  if (!trouble_.empty()) text += "; and there is no other page: " + trouble_;
  return refuse(ErrorKind::kClockUnsynchronised, std::move(text));
}

Result<SharedClock> SharedClock::open(const SharedClockOptions& options) {
  if (!is_instance_name(options.instance))
    return refuse(ErrorKind::kBadArgument, "'" + options.instance + "' is no instance name: 1 to " +
                                               std::to_string(kMaxInstanceName) +
                                               " characters of a-z, 0-9, '-' and '_'");
  std::string name = "gnomon." + options.instance + ".clock";
  auto page = Page::open(name);
  if (!page && page.error().code == ENOENT)
    return refuse(ErrorKind::kUnreachable, "there is no clock page /dev/shm/" + name +
                                               ": is gnomond running on this host as instance '" + options.instance +
                                               "'? A container sees it only if it shares the host's /dev/shm");
  if (!page) return refuse(ErrorKind::kSystem, std::move(page.error().text));
  return SharedClock(std::make_unique<SharedClockState>(std::move(name), std::move(*page)));
}

SharedClock::SharedClock(std::unique_ptr<SharedClockState> state) : state_(std::move(state)) {}
SharedClock::SharedClock(SharedClock&&) noexcept = default;
SharedClock& SharedClock::operator=(SharedClock&&) noexcept = default;
SharedClock::~SharedClock() = default;

time::Now SharedClock::read() noexcept { return state_->read(); }

Result<time::Interval> SharedClock::now() { return state_->now(); }

Result<time::Interval> SharedClock::commit_wait(time::Tai t, time::Duration limit) {
  return wait_past(t, limit, [this] { return now(); });
}

}  // namespace gnomon::client
