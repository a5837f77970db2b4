// SPDX-License-Identifier: Apache-2.0
//
// The order in which a file is replaced, apart from the system calls that it is made of: durable_file.hpp says why it
// is this one. What it is worth shows only when the power fails between two of them, which no test of a real file
// system can bring about as often as is needed; so the simulator runs the same order on a disk that forgets what was
// not synced. Thread rule: one writer of a path at a time.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/canary.hpp"
#include "platform/system_error.hpp"

namespace gnomon::platform {

/// `Files` has, each returning tl::expected<..., SystemError>:
///   create(path)           an empty file of this name, whatever there was before; its handle
///   write(handle, content)
///   sync(handle)
///   rename(from, to)
///   sync_directory(path)   of the directory that `path` is in
template <typename Files>
[[nodiscard]] tl::expected<void, SystemError> replace_in_order(Files& files, const std::string& path,
                                                               std::string_view content) {
  const std::string beside = path + ".new";
  const auto file = files.create(beside);
  if (!file) return tl::make_unexpected(file.error());
  if (auto written = files.write(*file, content); !written) return written;
  // A failed fsync is final: the kernel may have dropped the dirty pages, and a second fsync would report success.
  if (!canary::planted(canary::Bug::kSkippedSync))
    if (auto synced = files.sync(*file); !synced) return synced;
  if (auto renamed = files.rename(beside, path); !renamed) return renamed;
  return files.sync_directory(path);
}

}  // namespace gnomon::platform
