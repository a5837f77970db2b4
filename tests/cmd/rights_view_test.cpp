// SPDX-License-Identifier: Apache-2.0
//
// What gnomon right list prints of a store that is made up here, to the letter, and which rows it prints.
#include "cmd/gnomon/rights_view.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/cmd/json_check.hpp"
#include "tests/cmd/json_field.hpp"
#include "tests/cmd/store_entries.hpp"

namespace gnomon::cmd {
namespace {

using lease::WindowState;
using time::milliseconds;
using time::seconds;

constexpr time::SmearedUtc kBegin{kNow.ns - 60'000'000'000};

/// One id in each state: 3 held, 5 held without a session, 6 ran out, 7 given back, 8 given back ahead of time (rests),
/// 9 in the far future, 12 unreadable. The sum of the sums.
Entries every_state() {
  Entries out;
  out.identity(3);
  out.right(3, 0xaa, "host-a pid 7", kBegin, kNow + milliseconds(8200), WindowState::kHeld, 40, 3);
  out.right(5, 0xbb, "host-b pid 8", kBegin, kNow + seconds(4), WindowState::kHeld, 42, 3);
  out.right(6, 0xbb, "host-b pid 8", kBegin - seconds(60), kNow - seconds(90), WindowState::kHeld, 44, 2);
  out.right(7, 0xaa, "host-a pid 7", {}, kNow - seconds(7500), WindowState::kReleased, 46, 3);
  out.right(8, 0xaa, "host-a pid 7", kBegin, kNow + seconds(2), WindowState::kReleased, 48, 3);
  out.right(9, 0xcc, "host-c pid 9", kBegin, kNow + seconds(86'400 * 3), WindowState::kHeld, 50, 3);
  out.put(lease::window_key({12}), "window 1 nonsense", 60);
  out.session(0xaa, "host-a pid 7", lease::Standing::kMember, 50, {kNow - seconds(1), kNow}, std::nullopt, 70);
  out.session(0xcc, "host-c pid 9", lease::Standing::kMember, 50, {kNow - seconds(1), kNow}, std::nullopt, 71);
  return out;
}

RightsView view_of(const Entries& entries, bool shared = true) {
  RightsView view =
      view_rights(entries.list("meta/", 80), entries.list("right/", 80), entries.list("session/", 80), kNow, shared);
  view.url = "etcd:https://a:2379";
  view.source = "gnomond on /run/gnomon/main.sock";
  return view;
}

std::vector<std::uint16_t> ids(const std::vector<RightRow>& rows) {
  std::vector<std::uint16_t> out;
  out.reserve(rows.size());
  for (const RightRow& row : rows)
    out.push_back(row.machine.value);
  return out;
}

TEST(RightsText, OfEveryState) {
  EXPECT_EQ(rights_text(view_of(every_state()), {.machine = {}, .holder = {}, .all = true}),
            R"(store etcd:https://a:2379  revision 80, epoch 3  (from gnomond on /run/gnomon/main.sock)

machine  state               token  floor                     ceiling                   time               holder
      3  held                 3/40  2026-03-01T11:59:00Z      2026-03-01T12:00:08.200Z  runs 8.200s        host-a pid 7
      5  held                 3/42  2026-03-01T11:59:00Z      2026-03-01T12:00:04Z      runs 4.000s        host-b pid 8 (no session)
      6  ran-out              2/44  2026-03-01T11:58:00Z      2026-03-01T11:58:30Z      free for 1m 30s    host-b pid 8
      7  released             3/46  -                         2026-03-01T09:55:00Z      free for 2h 5m     host-a pid 7
      8  released             3/48  2026-03-01T11:59:00Z      2026-03-01T12:00:02Z      rests 2.000s       host-a pid 7
      9  quarantined          3/50  2026-03-01T11:59:00Z      2026-03-04T12:00:00Z      rests 3d 0h        host-c pid 9
     12  unreadable              -  -                         -                         -                  -
         ! right/m/00012/window: a field is missing or not in its place; nobody takes this id:
           gnomon control recover makes it usable again
       ! quarantined: such a window reaches further ahead than any right clock asks for, and nobody
         is granted the id before it ends; if its holder still runs, gnomon control heal takes it
         away

2 held, 1 resting, 2 free, 1 quarantined, 1 unreadable; ids that were never used are in no list
)");
}

TEST(RightsText, FreeOnesAreShownOnRequestOnly) {
  const RightsView view = view_of(every_state());
  EXPECT_EQ(ids(shown(view, {})), (std::vector<std::uint16_t>{3, 5, 8, 9, 12}));
  EXPECT_EQ(ids(shown(view, {.machine = {}, .holder = {}, .all = true})),
            (std::vector<std::uint16_t>{3, 5, 6, 7, 8, 9, 12}));
  EXPECT_NE(rights_text(view, {}).find("\n2 free ids are not shown: --all\n"), std::string::npos)
      << rights_text(view, {});
}

TEST(RightsText, FiltersNameWhatTheyWantInAnyState) {
  const RightsView view = view_of(every_state());
  EXPECT_EQ(ids(shown(view, {.machine = 7, .holder = {}, .all = false})), (std::vector<std::uint16_t>{7}));
  EXPECT_EQ(ids(shown(view, {.machine = {}, .holder = "host-b", .all = false})), (std::vector<std::uint16_t>{5, 6}));
  EXPECT_EQ(ids(shown(view, {.machine = 5, .holder = "host-a", .all = false})), (std::vector<std::uint16_t>{}));
  EXPECT_NE(rights_text(view, {.machine = 99, .holder = {}, .all = false}).find("no right of machine id 99"),
            std::string::npos);
}

TEST(RightsView, OnAStoreOfOneHostNobodyLacksASession) {
  const RightsView shared = view_of(every_state());
  const RightsView local = view_of(every_state(), false);
  ASSERT_EQ(shared.rows[1].machine.value, 5);
  EXPECT_TRUE(shared.rows[1].no_session);
  EXPECT_FALSE(shared.rows[0].no_session) << "its holder has one";
  EXPECT_FALSE(shared.rows[2].no_session) << "nobody needs a session for a right that ran out";
  for (const RightRow& row : local.rows)
    EXPECT_FALSE(row.no_session) << row.machine.value;
}

/// The store's floor holds every id back, used or not.
TEST(RightsView, TheFloorOfTheStoreDelaysFreeIds) {
  Entries entries = every_state();
  entries.floor(kNow + seconds(30));
  const RightsView view = view_of(entries);
  EXPECT_EQ(view.free(), 0U);
  EXPECT_EQ(view.resting(), 3U);
  EXPECT_EQ(view.rows[3].free_from, kNow + seconds(30));
  EXPECT_NE(rights_text(view, {}).find("no window of any id starts before 2026-03-01T12:00:30Z"), std::string::npos);
}

/// A session a day ahead says that somebody's clock, mad or not, can have led to such ceilings.
TEST(RightsView, TheHorizonIsTheFurthestClockThatIsThere) {
  Entries entries;
  entries.identity(1);
  entries.right(1, 0xaa, "h", kBegin, kNow + seconds(661), WindowState::kHeld, 10);
  entries.right(2, 0xaa, "h", kBegin, kNow + seconds(660), WindowState::kHeld, 20);
  EXPECT_EQ(view_of(entries).rows[0].state, RightState::kQuarantined);
  EXPECT_EQ(view_of(entries).rows[1].state, RightState::kHeld) << "a window of 600 s and a lead of 60 s are allowed";
  entries.session(0xaa, "h", lease::Standing::kMember, 1, {kNow + seconds(1), kNow + seconds(2)}, std::nullopt, 30);
  EXPECT_EQ(view_of(entries).rows[0].state, RightState::kHeld);
}

TEST(RightsView, BothEntriesUnreadableAreOneId) {
  Entries entries;
  entries.identity(1);
  entries.put(lease::grant_key({4}), "x", 1).put(lease::window_key({4}), "y", 2);
  const RightsView view = view_of(entries);
  ASSERT_EQ(view.rows.size(), 1U);
  EXPECT_EQ(view.count(RightState::kUnreadable), 1U);
}

TEST(RightsView, HostileInstantsOverflowNothing) {
  Entries entries;
  entries.identity(1);
  entries.right(1, 0xaa, "h", time::SmearedUtc::min(), time::SmearedUtc::max(), WindowState::kHeld, 10);
  entries.right(2, 0xaa, "h", time::SmearedUtc::min(), time::SmearedUtc::min(), WindowState::kHeld, 20);
  entries.session(0xaa, "h", lease::Standing::kMember, 1, {time::SmearedUtc::min(), time::SmearedUtc::max()},
                  std::nullopt, 30);
  const RightsView view = view_of(entries);
  EXPECT_EQ(view.rows.size(), 2U);
  EXPECT_FALSE(rights_text(view, {.machine = {}, .holder = {}, .all = true}).empty());
  EXPECT_TRUE(JsonCheck::valid(rights_json(view, {.machine = {}, .holder = {}, .all = true})));
}

TEST(RightsText, ASealedStoreSaysSo) {
  Entries entries = every_state();
  entries.put(std::string(control::kSealKey), control::encode_seal({1, "host-a: the window is gone"}, nonce_of(1)), 79);
  EXPECT_NE(rights_text(view_of(entries), {}).find("sealed: every daemon refuses this store"), std::string::npos);
  EXPECT_NE(rights_json(view_of(entries), {}).find("\"sealed\":true"), std::string::npos);
}

TEST(RightsText, AThousandRightsAreAThousandLines) {
  Entries entries;
  entries.identity(1);
  for (std::uint16_t id = 0; id < 1024; ++id)
    entries.right(id, 0xaa, "host-a", kBegin, kNow + seconds(5), WindowState::kHeld, 10 + 2ULL * id);
  const RightsView view = view_of(entries);
  EXPECT_EQ(view.count(RightState::kHeld), 1024U);
  EXPECT_EQ(shown(view, {}).size(), 1024U);
  EXPECT_NE(rights_text(view, {}).find("1024 held, 0 resting, 0 free"), std::string::npos);
}

TEST(RightsJson, OfEveryState) {
  const std::string json = rights_json(view_of(every_state()), {.machine = {}, .holder = {}, .all = true});
  EXPECT_TRUE(JsonCheck::valid(json)) << json;
  EXPECT_EQ(json_field(json, "held"), "2");
  EXPECT_EQ(json_field(json, "free"), "2");
  EXPECT_EQ(json_field(json, "resting"), "1");
  EXPECT_EQ(json_field(json, "quarantined"), "1");
  EXPECT_EQ(json_field(json, "unreadable"), "1");
  EXPECT_NE(json.find(R"({"machine":3,"state":"held","holder":"host-a pid 7","session":true,)"
                      R"("token":"844424930132008","token_text":"3/40","floor":"2026-03-01T11:59:00Z",)"
                      R"("ceiling":"2026-03-01T12:00:08.200Z","free_from":"2026-03-01T12:00:08.200Z",)"
                      R"("remaining_ns":8200000000})"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"({"machine":12,"state":"unreadable","fault":"right/m/00012/window: )"), std::string::npos)
      << json;
}

}  // namespace
}  // namespace gnomon::cmd
