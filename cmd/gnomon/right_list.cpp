// SPDX-License-Identifier: Apache-2.0
//
// gnomon right list: who holds which machine id.
#include <chrono>

#include "cmd/gnomon/shared_view.hpp"
#include "cmd/gnomon/store_reader.hpp"

namespace gnomon::cmd {

ExitCode run_right_list(const RightListOptions& options, const Output& output) {
  const auto failed = [&](const ReadFailure& failure) { return output.fail(failure.code, failure.text); };
  const auto reader = open_reader(options.place);
  if (!reader) return failed(reader.error());
  const auto meta = (*reader)->list("meta/");
  if (!meta) return failed(meta.error());
  const auto rights = (*reader)->list(lease::kRightPrefix);
  if (!rights) return failed(rights.error());
  // Sessions last: whoever acquired a right before it was listed has had time to show that it is there.
  const auto sessions = (*reader)->list(lease::kSessionPrefix);
  if (!sessions) return failed(sessions.error());
  const auto now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  RightsView view = view_rights(*meta, *rights, *sessions, {now.count()}, is_etcd((*reader)->url()));
  view.url = (*reader)->url();
  view.source = (*reader)->source();
  output.out << (output.json ? rights_json(view, options.filter) : rights_text(view, options.filter));
  return ExitCode::kOk;
}

}  // namespace gnomon::cmd
