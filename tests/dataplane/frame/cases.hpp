// SPDX-License-Identifier: Apache-2.0
//
// Tables of frames, each with what has to become of it: a counter, and an answer if that is not the counter of a drop.
// The expectation is the table's own. Beyond that, the Judge has its say about each of them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/dataplane/frame/neighbour.hpp"

namespace gnomon::frame::testing {

struct Case {
  std::string name;
  support::Bytes frame;
  page::Counter counter;
};

/// One station sees all of them, one after the other. `options`: who it is.
inline void run_cases(const std::vector<Case>& cases, const StationOptions& options = host_options()) {
  Judge judge(options);
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    EXPECT_EQ(judge.judge(one.frame, {}, one.frame.size() + 64), "");
    EXPECT_EQ(name_of(judge.last().counter), name_of(one.counter));
    const bool to_be_answered = one.counter == page::Counter::kArpReplies ||
                                one.counter == page::Counter::kNdpReplies ||
                                one.counter == page::Counter::kEchoReplies || one.counter == page::Counter::kDatagrams;
    EXPECT_EQ(!judge.last().reply.empty(), to_be_answered);
    EXPECT_EQ(judge.advance(time::milliseconds(1)), "");
  }
  EXPECT_EQ(judge.frames(), cases.size());
  EXPECT_EQ(judge.check_books(), "");
}

}  // namespace gnomon::frame::testing
