// SPDX-License-Identifier: Apache-2.0
//
// What gnomon status says of leases: what is there, what has happened, and why commands were refused.
#include <gtest/gtest.h>

#include <string>

#include "cmd/gnomon/status.hpp"
#include "tests/cmd/json_check.hpp"

namespace gnomon::cmd {
namespace {

control::StatusReport report() {
  control::StatusReport out;
  out.leases = {.serving = true,
                .listen = "10.0.0.1:14667",
                .levels = {{"sessions", 3}, {"held", 7}, {"waiters", 0}},
                .counters = {{"refusals", 5}},
                .calls = {{"acquire", 12}},
                .refused = {{"held", 4}, {"queued", 0}, {"bad_ttl", 1}}};
  return out;
}

TEST(StatusLeases, SaysWhatIsNotZeroAndWhyItRefused) {
  const std::string text = status_text(report(), {});
  EXPECT_NE(text.find("\nleases   served on the Unix socket and on 10.0.0.1:14667\n"
                      "         sessions 3, held 7\n"
                      "         refusals 5\n"
                      "         refused_held 4, refused_bad_ttl 1\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(status_text({}, {}).find("leases"), std::string::npos) << "an older daemon says nothing of them";
}

TEST(StatusLeases, JsonHasThemAll) {
  const std::string json = status_json(report(), {});
  EXPECT_TRUE(JsonCheck::valid(json)) << json;
  EXPECT_NE(json.find(R"("levels":{"sessions":3,"held":7,"waiters":0},"counters":{"refusals":5},)"
                      R"("calls":{"acquire":12},"refused":{"held":4,"queued":0,"bad_ttl":1})"),
            std::string::npos)
      << json;
}

}  // namespace
}  // namespace gnomon::cmd
