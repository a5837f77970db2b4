// SPDX-License-Identifier: Apache-2.0
//
// Shared pages in /dev/shm: gnomon.<instance>.{clock,rights,worker.N}. The daemon creates them (an old file of the
// same name is unlinked first, so a process that still maps it keeps its own copy); anybody on the host may read them.
#pragma once

#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/page/header.hpp"
#include "platform/system_error.hpp"

namespace gnomon::platform {

namespace detail {

/// A mapping of whole pages; unmaps itself, and unlinks the file if it created it.
class SharedMapping {
 public:
  SharedMapping(void* address, std::size_t size, std::string name_to_unlink);
  SharedMapping(SharedMapping&& other) noexcept;
  SharedMapping& operator=(SharedMapping&& other) noexcept;
  SharedMapping(const SharedMapping&) = delete;
  SharedMapping& operator=(const SharedMapping&) = delete;
  ~SharedMapping();

  [[nodiscard]] void* address() const { return address_; }
  /// Leaves the file in /dev/shm when this mapping ends.
  void keep_file() { name_to_unlink_.clear(); }

 private:
  void* address_;
  std::size_t size_;
  std::string name_to_unlink_;
};

[[nodiscard]] tl::expected<SharedMapping, SystemError> create_mapping(const std::string& name, std::size_t size);
[[nodiscard]] tl::expected<SharedMapping, SystemError> open_mapping(const std::string& name, std::size_t size);

}  // namespace detail

/// A page that this process created and may write.
template <typename Page>
class OwnedPage {
 public:
  /// `name` without a slash, e.g. "gnomon.main.clock". The page is constructed but not stamped.
  [[nodiscard]] static tl::expected<OwnedPage, SystemError> create(const std::string& name) {
    auto mapping = detail::create_mapping(name, sizeof(Page));
    if (!mapping) return tl::make_unexpected(mapping.error());
    return OwnedPage(std::move(*mapping));
  }
  [[nodiscard]] Page& operator*() const { return *page_; }
  [[nodiscard]] Page* operator->() const { return page_; }
  /// Leaves the page in /dev/shm when this process ends, for the next run to look at.
  void keep_file() { mapping_.keep_file(); }

 private:
  explicit OwnedPage(detail::SharedMapping mapping)
      : mapping_(std::move(mapping)), page_(new(mapping_.address()) Page) {}

  detail::SharedMapping mapping_;
  Page* page_;
};

/// A page of another process, read-only and checked.
template <typename Page>
class ForeignPage {
 public:
  [[nodiscard]] static tl::expected<ForeignPage, SystemError> open(const std::string& name) {
    auto mapping = detail::open_mapping(name, sizeof(Page));
    if (!mapping) return tl::make_unexpected(mapping.error());
    ForeignPage page(std::move(*mapping));
    const page::PageFault fault = page::check(*page);
    if (fault != page::PageFault::kNone)
      return tl::make_unexpected(SystemError{
          0,
          "cannot use /dev/shm/" + name + ": " + std::string(page::text_of(fault)) + "; is another version running?"});
    return page;
  }
  [[nodiscard]] const Page& operator*() const { return *static_cast<const Page*>(mapping_.address()); }
  [[nodiscard]] const Page* operator->() const { return &**this; }

 private:
  explicit ForeignPage(detail::SharedMapping mapping) : mapping_(std::move(mapping)) {}

  detail::SharedMapping mapping_;
};

}  // namespace gnomon::platform
