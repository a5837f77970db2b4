// SPDX-License-Identifier: Apache-2.0
//
// What the lease rules and the desk say has a word of its own on the wire, and the right one: the names on both sides
// are the same, so a pair that is swapped, or a reason that is added on one side only, fails here.
#include "control/service/lease_codec.hpp"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>
#include <string_view>

namespace gnomon::control {
namespace {

namespace answer = lease::answer;
using grpc::StatusCode;

/// "not_held" is NOT_HELD there.
std::string word_of(std::string_view text) {
  std::string word(text);
  for (char& c : word)
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return word;
}

Reply fault(DeskFault fault) { return tl::make_unexpected(DeskError{fault, "why", time::seconds(3)}); }

/// The faults that another daemon, or a later time, may not have: the caller goes on from them, so they are answers.
constexpr DeskFault kAnswered[] = {DeskFault::kClockUnsynchronised, DeskFault::kNotAMember, DeskFault::kRecovering,
                                   DeskFault::kTooMany};

TEST(LeaseCodec, EachReasonOfTheRulesIsOneOnTheWire) {
  std::set<v1::RefusalReason> reasons;
  for (std::size_t i = 0; i < lease::kRefusals; ++i) {
    const auto why = static_cast<lease::Refusal>(i);
    const Reply reply = Answered{answer::Refused{why, "why", time::seconds(3), "somebody", {77}}};
    v1::AcquireResponse response;
    EXPECT_TRUE(write(reply, response).ok()) << text_of(why);
    const v1::Refused& refused = response.refused();
    EXPECT_EQ(v1::RefusalReason_Name(refused.reason()), word_of(text_of(why)));
    EXPECT_EQ(refused.text(), "why");
    EXPECT_EQ(refused.retry_after_ns(), 3'000'000'000);
    EXPECT_EQ(refused.holder(), "somebody");
    EXPECT_EQ(refused.token(), 77U);
    reasons.insert(refused.reason());
  }
  for (const DeskFault each : kAnswered) {
    v1::GetLeaseResponse response;
    EXPECT_TRUE(write(fault(each), response).ok()) << text_of(each);
    EXPECT_EQ(v1::RefusalReason_Name(response.refused().reason()), word_of(text_of(each)));
    EXPECT_EQ(response.refused().text(), "why");
    EXPECT_EQ(response.refused().retry_after_ns(), 3'000'000'000);
    reasons.insert(response.refused().reason());
  }
  EXPECT_FALSE(reasons.contains(v1::REFUSAL_REASON_UNSPECIFIED));
  EXPECT_EQ(reasons.size() + 1, static_cast<std::size_t>(v1::RefusalReason_descriptor()->value_count()))
      << "lease.proto has a reason that nobody gives";
}

TEST(LeaseCodec, WhatIsNoAnswerIsTheStatusOfTheCall) {
  for (const auto& [each, code] : {std::pair{DeskFault::kStoreUnavailable, StatusCode::UNAVAILABLE},
                                   {DeskFault::kStoreFailed, StatusCode::UNAVAILABLE},
                                   {DeskFault::kOverloaded, StatusCode::RESOURCE_EXHAUSTED},
                                   {DeskFault::kTimeout, StatusCode::DEADLINE_EXCEEDED}}) {
    v1::AcquireResponse response;
    const grpc::Status status = write(fault(each), response);
    EXPECT_EQ(status.error_code(), code) << text_of(each);
    EXPECT_EQ(status.error_message(), "why");
    EXPECT_FALSE(response.has_refused()) << "a caller would take it for certain: " << text_of(each);
  }
}

/// Else a client took it for its own limit: it asked no other daemon, and gave a release up for good.
TEST(LeaseCodec, AFullDaemonIsAStatusThatSaysSlowDownForAWatchToo) {
  const grpc::Status status = status_of({DeskFault::kOverloaded, "why", {}});
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "why");
}

TEST(LeaseCodec, EachStateOfALeaseIsOneOnTheWire) {
  const auto* const states = v1::LeaseState_descriptor();
  for (int i = 0; i + 1 < states->value_count(); ++i) {
    lease::LeaseView view;
    view.state = static_cast<lease::LeaseState>(i);
    v1::Lease to;
    write(view, to);
    EXPECT_EQ(v1::LeaseState_Name(to.state()), "LEASE_" + word_of(text_of(view.state)));
  }
}

TEST(LeaseCodec, EachStandingOfATokenIsOneOnTheWire) {
  const auto* const standings = v1::TokenStanding_descriptor();
  for (int i = 0; i + 1 < standings->value_count(); ++i) {
    const auto standing = static_cast<lease::TokenStanding>(i);
    v1::ValidateTokenResponse response;
    EXPECT_TRUE(write(Reply{Validated{standing, {77}, time::seconds(3)}}, response).ok());
    EXPECT_EQ(v1::TokenStanding_Name(response.standing()), "TOKEN_" + word_of(text_of(standing)));
    EXPECT_EQ(response.current(), 77U);
    EXPECT_EQ(response.remaining_ns(), 3'000'000'000);
  }
}

/// A fault in gnomon. OK and an empty message would say "closed", or "held" under no token.
TEST(LeaseCodec, AnAnswerToAnotherCommandIsAFaultOfTheDaemon) {
  const Reply closed = Answered{answer::SessionClosed{}};
  const Reply validated = Validated{};
  v1::AcquireResponse acquired;
  v1::GetLeaseResponse seen;
  v1::ListLeasesResponse listed;
  v1::ValidateTokenResponse valid;
  v1::CloseSessionResponse ended;
  EXPECT_EQ(write(closed, acquired).error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(write(closed, seen).error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(write(closed, valid).error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(write(validated, listed).error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(write(validated, ended).error_code(), StatusCode::INTERNAL);
  EXPECT_TRUE(write(closed, ended).ok()) << "which is the answer to this one";
}

}  // namespace
}  // namespace gnomon::control
