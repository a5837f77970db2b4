// SPDX-License-Identifier: Apache-2.0
//
// What a watch is told while names change under it: nothing twice for no reason, nothing older than what it knows, and
// never more at once than a page.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "control/lease/lease_runner_watchers.hpp"

namespace gnomon::control {
namespace {

/// A list of watchers without a runner: what is there is in a test's hands.
class Watchers : public testing::Test {
 protected:
  using Kind = LeaseNews::Kind;
  static lease::LeaseView view(const std::string& name, std::uint64_t token) {
    lease::LeaseView view;
    view.name = name;
    view.token = {token};
    return view;
  }
  void page() {
    (void)watchers_.catch_up([this](const std::string& prefix, const std::string& after) {
      Listed out;
      for (auto at = there_.upper_bound(after); at != there_.end() && at->first.starts_with(prefix); ++at) {
        out.more = out.leases.size() == 2;
        if (out.more) break;
        out.leases.push_back(view(at->first, at->second));
      }
      most_ = std::max(most_, out.leases.size());
      return out;
    });
  }
  void change(const std::string& name, std::uint64_t token) {
    there_[name] = token;
    watchers_.tell(view(name, token));
  }
  /// Everything that there is to take, as "a1 b2 | c3": initial ones before the bar, changes behind it.
  std::string take_all(LeaseSubscription& subscription) {
    std::string text;
    for (auto news = subscription.take(); news; news = subscription.take())
      text += news->kind == Kind::kCaughtUp ? "| "
              : news->kind == Kind::kGap    ? "gap "
                                            : news->lease.name + std::to_string(news->lease.token.value) + " ";
    return text;
  }

  std::map<std::string, std::uint64_t> there_{{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1}};
  std::size_t most_ = 0;
  LeaseWatchers watchers_{4, 3, time::seconds(30)};
};

TEST_F(Watchers, NobodyIsToldOfSomethingOlderThanWhatHeKnows) {
  const auto one = watchers_.add("", [] {}, [] {});
  page();
  change("a", 2);  // its page is made: it has to be told again
  change("d", 2);  // its page is not: the page will say so
  EXPECT_EQ(take_all(*one), "a1 b1 ");
  page();
  change("e", 2);
  EXPECT_EQ(take_all(*one), "c1 d2 ");
  page();
  EXPECT_EQ(take_all(*one), "e2 | a2 ");
  change("z", 1);
  EXPECT_EQ(take_all(*one), "z1 ");
  EXPECT_EQ(most_, 2U);
}

TEST_F(Watchers, AGapBetweenTwoPagesBeginsAnew) {
  const auto one = watchers_.add("", [] {}, [] {});
  page();
  EXPECT_EQ(take_all(*one), "a1 b1 ");
  EXPECT_EQ(watchers_.lose_all(), 1U) << "between two pages it has been told of something";
  EXPECT_EQ(take_all(*one), "gap ");
  EXPECT_EQ(watchers_.lose_all(), 0U);
  page();
  EXPECT_EQ(take_all(*one), "a1 b1 ");
  page();
  for (std::uint64_t token = 2; token <= 5; ++token)
    change("a", token);  // more than it may keep
  EXPECT_EQ(take_all(*one), "gap ");
}

}  // namespace
}  // namespace gnomon::control
