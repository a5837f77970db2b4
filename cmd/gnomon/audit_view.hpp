// SPDX-License-Identifier: Apache-2.0
//
// Who can have issued an ID, under each layout that it may be of. An ID does not say its layout, so without a choice
// there are several answers, and the reader decides.
//
// Pure: what was read of the store goes in, findings come out.
#pragma once

#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "cmd/exit_code.hpp"
#include "cmd/gnomon/store_look.hpp"
#include "oracle/id/codec.hpp"
#include "oracle/lease/history.hpp"

namespace gnomon::cmd {

struct AuditFacts {
  std::string url;  // of the store
  std::string source;
  control::Listing history;  // read first: see lease::who_could_have
  control::Listing rights;
  control::Listing meta;
};

struct AuditRow {
  id::Layout layout;
  tl::expected<id::Fields, id::LayoutError> fields;
  lease::AuditFinding finding;  // if there are fields
};

struct AuditView {
  id::Id id;
  std::string url;
  std::string source;
  std::vector<AuditRow> rows;
  std::vector<std::string> unreadable;  // entries of the history: what they tell is missing above
};

/// Fails if the store does not say which it is: then nothing is certain.
[[nodiscard]] tl::expected<AuditView, std::string> audit(const AuditFacts& facts, id::Id id,
                                                         const std::vector<id::Layout>& layouts);

/// kRefused only if nobody can have issued it, under any of the layouts. What is not known is not denied.
[[nodiscard]] ExitCode exit_code_of(const AuditView& view);

/// For people: of one layout all that is known, of several a line each.
[[nodiscard]] std::string audit_text(const AuditView& view);
/// The same for programs: one line of JSON.
[[nodiscard]] std::string audit_json(const AuditView& view);

}  // namespace gnomon::cmd
