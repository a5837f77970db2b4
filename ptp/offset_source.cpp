// SPDX-License-Identifier: Apache-2.0
#include "ptp/offset_source.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "oracle/time/leap_table.hpp"
#include "platform/system_error.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::ptp {
namespace {

constexpr std::size_t kMaxOffsetText = 64;

tl::unexpected<SourceError> unreadable(const std::filesystem::path& path) {
  return tl::make_unexpected(
      SourceError{SourceFault::kUnreadable, platform::system_error("read clock offset file " + path.string()).text});
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

tl::expected<time::Duration, SourceError> parse_offset(std::string_view text, std::string_view where) {
  std::string_view digits = trim(text);
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  std::int64_t ns = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, ns);
  if (error == std::errc() && stopped == end) return time::nanoseconds(ns);
  return tl::make_unexpected(SourceError{
      SourceFault::kMalformed, fmt::format("clock offset in {} is no signed number of nanoseconds: '{}'; write one, or "
                                           "remove it for 0",
                                           where, trim(text))});
}

ReadOffset offset_from_file(std::filesystem::path path) {
  return [path = std::move(path)]() -> tl::expected<time::Duration, SourceError> {
    const platform::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid() && errno == ENOENT) return time::Duration{0};
    if (!fd.valid()) return unreadable(path);
    std::array<char, kMaxOffsetText> text{};
    const ssize_t size = read(fd.get(), text.data(), text.size());
    if (size < 0) return unreadable(path);
    return parse_offset({text.data(), static_cast<std::size_t>(size)}, path.string());
  };
}

ReadOffset offset_from_atomic(std::shared_ptr<const std::atomic<std::int64_t>> offset_ns) {
  return [offset_ns = std::move(offset_ns)]() -> tl::expected<time::Duration, SourceError> {
    return time::nanoseconds(offset_ns->load(std::memory_order_relaxed));  // one word, no pair
  };
}

OffsetSource::OffsetSource(std::unique_ptr<TimeSource> inner, ReadOffset read_offset)
    : inner_(std::move(inner)), read_offset_(std::move(read_offset)) {}

News OffsetSource::poll(time::CycleRate nominal) {
  const auto offset = read_offset_();
  if (!offset) return tl::make_unexpected(offset.error());
  News news = inner_->poll(nominal);
  if (news && *news) (*news)->reading_ns = time::saturating_add(time::Utc{(*news)->reading_ns}, *offset).ns;
  return news;
}

std::string OffsetSource::describe() const {
  return inner_->describe() + ", shifted by an injected offset (a rehearsal, not for service)";
}

}  // namespace gnomon::ptp
