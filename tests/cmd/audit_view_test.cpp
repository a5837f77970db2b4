// SPDX-License-Identifier: Apache-2.0
//
// What gnomon audit answers from a history of rights that is made up here.
#include "cmd/gnomon/audit_view.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/cmd/json_check.hpp"
#include "tests/cmd/json_field.hpp"
#include "tests/cmd/store_entries.hpp"

namespace gnomon::cmd {
namespace {

using lease::WindowState;
using time::seconds;

const id::Layout kLayout = id::builtin_layouts()[0];

/// Machine id 5: host-a from kNow - 100 s, host-b from kNow - 60 s, whose window reaches to kNow + 10 s.
AuditFacts two_holders() {
  Entries entries;
  entries.identity(1);
  entries.acquisition(kNow - seconds(100), 0xaa, "host-a pid 7", 5, {kNow - seconds(100), std::nullopt}, 10);
  entries.acquisition(kNow - seconds(60), 0xbb, "host-b pid 8", 5, {kNow - seconds(60), control::Revision{10}}, 20);
  entries.right(5, 0xbb, "host-b pid 8", kNow - seconds(60), kNow + seconds(10), WindowState::kHeld, 20);
  return {.url = "etcd:https://a:2379",
          .source = "gnomond on /run/gnomon/main.sock",
          .history = entries.list("history/", 30),
          .rights = entries.list("right/", 30),
          .meta = entries.list("meta/", 30)};
}

id::Id id_at(time::SmearedUtc t, std::uint16_t machine = 5, const id::Layout& layout = kLayout) {
  return *id::encode(layout, {t, {machine}, 3});
}

AuditView audited(const AuditFacts& facts, id::Id id, const std::vector<id::Layout>& layouts = {kLayout}) {
  const auto view = audit(facts, id, layouts);
  EXPECT_TRUE(view.has_value());
  return *view;
}

TEST(AuditText, NamesTheHolderAndWhatItRestsOn) {
  const AuditView view = audited(two_holders(), id_at(kNow - seconds(80)));
  EXPECT_EQ(exit_code_of(view), ExitCode::kOk);
  EXPECT_EQ(audit_text(view), R"(683281985044500483
layout    snowflake: 2026-03-01T11:58:40Z      machine 5  sequence 3
issuer    the holder of this right, and nobody else
holder    host-a pid 7
          incarnation aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, token 1/10
          floor 2026-03-01T11:58:20Z, reached at most to 2026-03-01T11:59:00Z
          taken 2026-03-01T11:58:20Z by its own clock
rests on  the next acquisition of this id begins above it; the history of rights to this machine id
          goes back to floor 2026-03-01T11:58:20Z
read from gnomond on /run/gnomon/main.sock
)");
}

TEST(AuditText, TheSameInstantBelongsToTheNextHolderFromItsFloorOn) {
  EXPECT_NE(audit_text(audited(two_holders(), id_at(kNow - seconds(60)))).find("host-b pid 8"), std::string::npos);
  EXPECT_EQ(audit_text(audited(two_holders(), id_at(kNow - seconds(60)))).find("host-a"), std::string::npos);
}

TEST(AuditText, NobodyBeyondEveryWindow) {
  const AuditView view = audited(two_holders(), id_at(kNow + seconds(10)));
  EXPECT_EQ(exit_code_of(view), ExitCode::kRefused);
  EXPECT_NE(audit_text(view).find("nobody can have issued it"), std::string::npos) << audit_text(view);
  EXPECT_EQ(exit_code_of(audited(two_holders(), id_at(kNow, 6))), ExitCode::kRefused) << "an id that was never used";
}

/// Pruned or lost: then nobody is accused, and nothing is denied.
TEST(AuditText, WhatIsNotKnownIsNotDenied) {
  AuditFacts facts = two_holders();
  facts.history.entries.erase(facts.history.entries.begin());
  const AuditView view = audited(facts, id_at(kNow - seconds(80)));
  EXPECT_EQ(exit_code_of(view), ExitCode::kOk);
  EXPECT_NE(audit_text(view).find("not known for certain"), std::string::npos) << audit_text(view);
}

TEST(AuditText, OfSeveralLayoutsALineEach) {
  const auto all = id::builtin_layouts();
  const AuditView view = audited(two_holders(), id_at(kNow - seconds(80)), {all.begin(), all.end()});
  EXPECT_EQ(audit_text(view), R"(683281985044500483
  snowflake   2026-03-01T11:58:40Z      machine 5  sequence 3  host-a pid 7, token 1/10
  instagram   2023-08-01T17:59:20Z      machine 20  sequence 3  nobody: no window of this id reaches there so far
  js53        no: the ID has bits above the layout's fields
read from gnomond on /run/gnomon/main.sock
)");
  EXPECT_EQ(exit_code_of(view), ExitCode::kOk);
}

TEST(AuditText, AnIdThatIsNoneOfTheLayoutIsNobodys) {
  const AuditView view = audited(two_holders(), {UINT64_MAX}, {id::builtin_layouts()[2]});
  EXPECT_EQ(exit_code_of(view), ExitCode::kRefused);
  EXPECT_NE(audit_text(view).find("no: the ID has bits above"), std::string::npos);
}

TEST(AuditText, UnreadableHistoryIsNamed) {
  AuditFacts facts = two_holders();
  facts.history.entries[0].value = "acquisition 9";
  const std::string text = audit_text(audited(facts, id_at(kNow)));
  EXPECT_NE(text.find("an entry of the history can't be read, history/"), std::string::npos) << text;
}

TEST(Audit, AStoreWithoutAnIdentityIsNoWitness) {
  AuditFacts facts = two_holders();
  facts.meta.entries.clear();
  EXPECT_FALSE(audit(facts, id_at(kNow), {kLayout}).has_value());
}

TEST(AuditJson, HasEverything) {
  const std::string json = audit_json(audited(two_holders(), id_at(kNow - seconds(80))));
  EXPECT_TRUE(JsonCheck::valid(json)) << json;
  EXPECT_EQ(json_field(json, "verdict"), "holder");
  EXPECT_EQ(json_field(json, "holder"), "host-a pid 7");
  EXPECT_EQ(json_field(json, "token_text"), "1/10");
  EXPECT_EQ(json_field(json, "floor"), "2026-03-01T11:58:20Z");
  EXPECT_EQ(json_field(json, "end"), "2026-03-01T11:59:00Z");
  const auto all = id::builtin_layouts();
  EXPECT_TRUE(JsonCheck::valid(audit_json(audited(two_holders(), {UINT64_MAX}, {all.begin(), all.end()}))));
}

}  // namespace
}  // namespace gnomon::cmd
