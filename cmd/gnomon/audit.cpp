// SPDX-License-Identifier: Apache-2.0
//
// gnomon audit: who can have issued this ID?
#include <utility>

#include "cmd/gnomon/audit_view.hpp"
#include "cmd/gnomon/id_text.hpp"
#include "cmd/gnomon/shared_view.hpp"
#include "cmd/gnomon/store_reader.hpp"

namespace gnomon::cmd {
namespace {

tl::expected<std::vector<id::Layout>, std::string> layouts_of(const LayoutOptions& options) {
  auto layouts = known_layouts(options);
  if (!layouts || options.layout.empty()) return layouts;
  const auto layout = find_layout(*layouts, options.layout);
  if (!layout) return tl::make_unexpected(layout.error());
  return std::vector{*layout};
}

ReadOr<AuditFacts> read(const StorePlace& place) {
  const auto reader = open_reader(place);
  if (!reader) return tl::make_unexpected(reader.error());
  AuditFacts facts{.url = (*reader)->url(), .source = (*reader)->source(), .history = {}, .rights = {}, .meta = {}};
  const auto list = [&](std::string_view prefix, control::Listing& to) -> ReadOr<void> {
    auto listing = (*reader)->list(prefix);
    if (!listing) return tl::make_unexpected(listing.error());
    to = std::move(*listing);
    return {};
  };
  // The history first: a right that is newer than its history makes an answer uncertain, never wrong.
  if (auto done = list(lease::kHistoryPrefix, facts.history); !done) return tl::make_unexpected(done.error());
  if (auto done = list(lease::kRightPrefix, facts.rights); !done) return tl::make_unexpected(done.error());
  if (auto done = list("meta/", facts.meta); !done) return tl::make_unexpected(done.error());
  return facts;
}

}  // namespace

ExitCode run_audit(const AuditOptions& options, const Output& output) {
  const auto id = parse_id(options.id);
  if (!id) return output.fail(ExitCode::kUsage, no_id_text(options.id));
  const auto layouts = layouts_of(options.layouts);
  if (!layouts) return output.fail(ExitCode::kUsage, layouts.error());
  StorePlace place = options.place;
  place.config = options.layouts.config;  // one file says both
  const auto facts = read(place);
  if (!facts) return output.fail(facts.error().code, facts.error().text);
  const auto view = audit(*facts, *id, *layouts);
  if (!view) return output.fail(ExitCode::kRefused, view.error());
  output.out << (output.json ? audit_json(*view) : audit_text(*view));
  return exit_code_of(*view);
}

}  // namespace gnomon::cmd
