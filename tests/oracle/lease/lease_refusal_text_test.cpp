// SPDX-License-Identifier: Apache-2.0
//
// What refusals say to people: whoever is refused decides by these words what to do.
#include <gtest/gtest.h>

#include "tests/oracle/lease/lease_fixture.hpp"

namespace gnomon::lease {
namespace {

using LeaseRefusalText = Leases;

TEST_F(LeaseRefusalText, a_refused_name_is_shown_in_one_line) {
  open(1);
  EXPECT_EQ(refused(take(1, "\x1f ~\x7f")).text.substr(0, 6), "\"? ~?\"");
  const std::string longest(80, '#');
  EXPECT_EQ(refused(take(1, longest)).text.substr(0, 83), "\"" + longest + "\" ");
  EXPECT_EQ(refused(take(1, longest + "#")).text.substr(0, 86), "\"" + longest + "...\" ");
}

TEST_F(LeaseRefusalText, a_killed_session_hears_why) {
  open(1);
  open(2, seconds(100));
  take(1);
  crush();
  EXPECT_NE(refused(renew(1)).text.find("it was killed, because one of its leases was taken over"), std::string::npos);
  close(2);
  EXPECT_NE(refused(renew(2)).text.find("is over: it was closed"), std::string::npos);
}

TEST_F(LeaseRefusalText, whoever_is_not_first_hears_how_many_are) {
  for (std::uint8_t who = 1; who <= 4; ++who)
    open(who);
  const mint::Token token = held(take(1)).token;
  queue(2);
  give(1, token);
  EXPECT_NE(refused(take(4)).text.find("1 other waits in front"), std::string::npos);
  queue(3);
  EXPECT_NE(refused(take(4)).text.find("2 others wait in front"), std::string::npos);
}

TEST_F(LeaseRefusalText, a_grant_whose_session_is_damaged_is_named_by_its_token) {
  open(1);
  open(2);
  const mint::Token token = held(take(1)).token;
  damage(client_key(session_id(1)));
  EXPECT_EQ(refused(take(2)).token, token);
}

TEST_F(LeaseRefusalText, a_release_of_nothing_says_what_was_meant) {
  open(1);
  EXPECT_NE(refused(give(1, {7})).text.find("under token 7: that grant is over"), std::string::npos);
  const std::string nothing = refused(give(1, {})).text;
  EXPECT_NE(nothing.find("does not wait for \"database:1\": there is no place"), std::string::npos) << nothing;
  const mint::Token token = held(take(1)).token;
  const std::string holds = refused(give(1, {})).text;
  EXPECT_NE(holds.find("but holds it under token " + std::to_string(token.value)), std::string::npos) << holds;
}

}  // namespace
}  // namespace gnomon::lease
