// SPDX-License-Identifier: Apache-2.0
//
// Small files that are still there, whole, after a crash.
//
// Writing a file in place can leave half of the old and half of the new content; a rename alone can leave an empty
// file, because the new name may reach the disk before the data does; and without a sync of the directory the rename
// itself may be lost. So: write beside it, sync the file, rename over it, sync the directory. When `replace_durably`
// returns without an error, a crash at any later instant finds the new content; before that, the old or the new one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "platform/system_error.hpp"

namespace gnomon::platform {

/// Replaces the content of `path` (created with mode 0600 if absent). One writer at a time.
[[nodiscard]] tl::expected<void, SystemError> replace_durably(const std::string& path, std::string_view content);

/// The whole content, or nothing if there is no such file. A file of more than `limit` bytes is refused.
[[nodiscard]] tl::expected<std::optional<std::string>, SystemError> read_file(const std::string& path,
                                                                              std::size_t limit);

/// Gives a file another name in its directory, over whatever has it.
[[nodiscard]] tl::expected<void, SystemError> rename_durably(const std::string& from, const std::string& to);
[[nodiscard]] bool exists(const std::string& path);

/// Makes renames and new files in the directory of `path` durable.
[[nodiscard]] tl::expected<void, SystemError> sync_directory_of(const std::string& path);

}  // namespace gnomon::platform
