// SPDX-License-Identifier: Apache-2.0
//
// The words of clock.sources: what each kind takes, and that everything else is refused with a sentence that names the
// word and what would be right.
#include "ptp/sources.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>

#include "ptp/ptp_follower.hpp"

namespace gnomon::ptp {
namespace {

using time::microseconds;
using time::nanoseconds;

constexpr time::Duration kDefaultBound = time::milliseconds(100);

SourceSpec parsed(const std::string& text) {
  auto spec = parse_source(text, kDefaultBound);
  if (!spec) ADD_FAILURE() << spec.error();
  return spec.value_or(SourceSpec{});
}

/// The reason, without the word that it begins with.
std::string reason(const std::string& text) {
  const auto spec = parse_source(text, kDefaultBound);
  if (spec) {
    ADD_FAILURE() << "'" << text << "' was accepted";
    return {};
  }
  const std::string head = "source '" + text + "': ";
  EXPECT_EQ(spec.error().substr(0, head.size()), head);
  return spec.error().substr(std::min(head.size(), spec.error().size()));
}

void expect_reason(const std::string& text, const std::string& part) {
  const std::string why = reason(text);
  EXPECT_NE(why.find(part), std::string::npos) << text << ": " << why;
}

TEST(ParseSource, EveryKindByItsName) {
  const SourceSpec system = parsed("system");
  EXPECT_EQ(system.kind, SourceKind::kSystem);
  EXPECT_EQ(system.bound, kDefaultBound);
  EXPECT_EQ(system.scale, Scale::kUtc);
  EXPECT_EQ(parsed("kernel").kind, SourceKind::kKernel);
  EXPECT_EQ(parsed("chrony").kind, SourceKind::kChrony);
  EXPECT_EQ(parsed("chrony").path, "/run/chrony/chronyd.sock");
  EXPECT_EQ(parsed("ptp4l").kind, SourceKind::kPtp4l);
  EXPECT_EQ(parsed("ptp4l").path, "/var/run/ptp4l");
  const SourceSpec phc = parsed("phc:/dev/ptp3?bound_us=5");
  EXPECT_EQ(phc.kind, SourceKind::kPhc);
  EXPECT_EQ(phc.path, "/dev/ptp3");
  EXPECT_EQ(phc.bound, microseconds(5));
  EXPECT_EQ(phc.scale, Scale::kTai) << "what cards count by custom";
}

TEST(ParseSource, ParametersOfEachKind) {
  EXPECT_EQ(parsed("system?bound_us=250&scale=smeared").bound, microseconds(250));
  EXPECT_EQ(parsed("system?bound_us=250&scale=smeared").scale, Scale::kSmearedUtc);
  EXPECT_EQ(parsed("kernel?scale=unknown").scale, Scale::kUnknownUtc);
  EXPECT_EQ(parsed("chrony:/tmp/c.sock?scale=utc").path, "/tmp/c.sock");
  EXPECT_EQ(parsed("phc:/dev/ptp0?scale=utc&bound_us=1").scale, Scale::kUtc);
  const SourceSpec ptp = parsed(
      "ptp4l:/run/p?domain=24&clock=/dev/ptp1&max_class=52&accuracy_ns=2000000&grandmaster=001122.fffe.334455"
      "&grandmaster=001122.fffe.334456&asymmetry_ns=80&hop_ns=50&max_offset_us=20");
  EXPECT_EQ(ptp.path, "/run/p");
  EXPECT_EQ(ptp.domain, 24);
  EXPECT_EQ(ptp.clock, "/dev/ptp1");
  EXPECT_EQ(ptp.ptp.max_class, 52);
  EXPECT_EQ(ptp.ptp.accuracy, nanoseconds(2'000'000));
  EXPECT_EQ(ptp.ptp.max_accuracy, nanoseconds(2'000'000)) << "who states an accuracy accepts it";
  ASSERT_EQ(ptp.ptp.grandmasters.size(), 2U) << "the one parameter that may be repeated";
  EXPECT_EQ(ptp.ptp.grandmasters[1].bytes, (std::array<std::uint8_t, 8>{0, 0x11, 0x22, 0xff, 0xfe, 0x33, 0x44, 0x56}));
  EXPECT_EQ(ptp.ptp.asymmetry, nanoseconds(80));
  EXPECT_EQ(ptp.ptp.per_boundary_clock, nanoseconds(50));
  EXPECT_EQ(ptp.ptp.max_offset, microseconds(20));
}

TEST(ParseSource, NoSuchKind) {
  for (const char* text : {"", "sytem", "System", "system ", "ntp", "ptp4l2", "?bound_us=5"}) {
    expect_reason(text, "is no kind of source");
    expect_reason(text, "system, kernel, chrony, ptp4l");
  }
}

TEST(ParseSource, NoSuchParameter) {
  expect_reason("system?bound=5", "'bound=5' is no parameter of system; it takes name=value of bound_us, scale");
  expect_reason("kernel?bound_us=5", "no parameter of kernel");
  expect_reason("chrony?domain=3", "no parameter of chrony");
  expect_reason("phc:/dev/ptp0?domain=3", "no parameter of phc");
  expect_reason("ptp4l?bound_us=5", "no parameter of ptp4l");
  expect_reason("system?bound_us=5&BOUND_US=6", "'BOUND_US=6'");
}

TEST(ParseSource, AParameterThatIsThereTwice) {
  expect_reason("system?bound_us=5&bound_us=50000", "'bound_us' is there twice");
  expect_reason("ptp4l?domain=1&max_class=7&domain=1", "'domain' is there twice");
  EXPECT_EQ(parsed("ptp4l?grandmaster=001122.fffe.334401&grandmaster=001122.fffe.334402").ptp.grandmasters.size(), 2U);
}

TEST(ParseSource, AParameterWithoutAValue) {
  expect_reason("system?bound_us", "name=value");
  expect_reason("system?bound_us=", "'' is no bound");
  expect_reason("system?=5", "'=5' is no parameter");
  expect_reason("system?&bound_us=5", "'' is no parameter");
  expect_reason("ptp4l?clock=", "path of its device");
  expect_reason("ptp4l?grandmaster=", "no clock identity");
  expect_reason("system?scale=", "no time scale");
}

TEST(ParseSource, NumbersOutOfRange) {
  for (const char* value : {"-1", "0", "60000001", "99999999999999999999", "1.5", "0x10", "1e3", "5us", " 5", "+5"})
    expect_reason(std::string("system?bound_us=") + value, "a whole number from 1 to 60000000");
  EXPECT_EQ(parsed("system?bound_us=60000000").bound, time::seconds(60));
  for (const char* value : {"-1", "256", "x"})
    expect_reason(std::string("ptp4l?domain=") + value, "a whole number from 0 to 255");
  EXPECT_EQ(parsed("ptp4l?domain=255").domain, 255);
  expect_reason("ptp4l?max_class=256", "a whole number from 0 to 255");
  expect_reason("ptp4l?accuracy_ns=1000000001", "a whole number from 0 to 1000000000");
  expect_reason("ptp4l?asymmetry_ns=1000000001", "asymmetry");
  expect_reason("ptp4l?hop_ns=-5", "error in ns");
  expect_reason("ptp4l?max_offset_us=10000001", "offset in us");
}

TEST(ParseSource, IdentitiesAsLinuxptpPrintsThem) {
  for (const char* value :
       {"001122.fffe.33445", "001122.fffe.3344556", "001122.fffe.33445g", "00:11:22:ff:fe:33:44:55"})
    expect_reason(std::string("ptp4l?grandmaster=") + value, "no clock identity");
}

TEST(ParseSource, PathsWhereTheyBelong) {
  expect_reason("system:/dev/null", "takes no path");
  expect_reason("kernel:", "takes no path");
  expect_reason("chrony:run/c.sock", "full path");
  expect_reason("ptp4l:", "full path");
  expect_reason("phc?bound_us=5", "full path");
  expect_reason("phc:ptp0?bound_us=5", "full path");
  expect_reason("ptp4l?clock=ptp0", "path of its device");
}

TEST(ParseSource, APortIsNamedAsInTheListOfDevices) {
  const SourceSpec port = parsed("port:0000:3b:00.0?bound_us=5");
  EXPECT_EQ(port.kind, SourceKind::kPort);
  EXPECT_EQ(port.path, "0000:3b:00.0");
  EXPECT_EQ(port.scale, Scale::kTai);
  for (const char* word :
       {"port?bound_us=5", "port:?bound_us=5", "port:0000:3b:00.0,rx=1?bound_us=5", "port:/dev/ptp0"})
    expect_reason(word, "name a device of dpdk.devices");
}

TEST(ParseSource, ACardSaysNothingAboutItsError) {
  expect_reason("phc:/dev/ptp0", "state its bound");
  expect_reason("phc:/dev/ptp0?bound_us=0", "a whole number from 1");
}

TEST(ParseSource, ScalesThatAClockCanHave) {
  expect_reason("system?scale=tai", "not a time scale that this source can have");
  expect_reason("kernel?scale=tai", "can have");
  expect_reason("chrony?scale=tai", "can have");
  for (const char* scale : {"smeared", "unknown"})
    expect_reason(std::string("ptp4l?scale=") + scale, "can have");
  EXPECT_TRUE(parsed("ptp4l?scale=tai").ptp.tai_is_meant);
  EXPECT_FALSE(parsed("ptp4l?scale=tai").ptp.arbitrary_is_utc);
  EXPECT_FALSE(parsed("ptp4l").ptp.tai_is_meant) << "the operator has to say so";
  for (const char* scale : {"tai", "utc", "smeared", "unknown"})
    EXPECT_EQ(parsed(std::string("phc:/dev/ptp0?bound_us=1&scale=") + scale).kind, SourceKind::kPhc);
  expect_reason("system?scale=gps", "tai, utc, smeared (24 h, noon to noon) or unknown");
}

// ---- the 37 s trap: a grandmaster without ptpTimescale says neither TAI nor UTC

/// What a follower with the policy of that word says of one good round with a software grandmaster.
SourceFault said_of_an_arbitrary_scale(const std::string& word) {
  PtpFollower follower(parsed(word).ptp, ClockKind::kSystem);
  PtpRound round;
  round.status.gm_present = true;
  round.status.ingress = PtpClockTime{1'790'000'000'000'000'000};
  round.parent.gm_quality = {ClockClass::kPrimaryLocked, ClockAccuracy{0x20}, 0xffff};
  round.properties.ptp_timescale = false;
  PortDataSet port;
  port.state = PortState::kSlave;
  port.delay_mechanism = DelayMechanism::kEndToEnd;
  round.ports.push_back(port);
  const auto nominal = time::CycleRate::from_hz(1'000'000'000);
  follower.read({{1'000'000}, {1'000'100}, 1'790'000'000'000'000'000}, nominal);
  const News news = follower.judge(round, nominal);
  if (!news || *news) {
    ADD_FAILURE() << "a single round is never enough";
    return SourceFault::kUnreadable;
  }
  return news->error().fault;
}

TEST(ParseSource, AGrandmasterOnAnArbitraryScaleIsFollowedByExplicitWordOnly) {
  EXPECT_FALSE(parsed("ptp4l").ptp.arbitrary_is_utc);
  EXPECT_EQ(said_of_an_arbitrary_scale("ptp4l"), SourceFault::kTimescale);
  EXPECT_EQ(said_of_an_arbitrary_scale("ptp4l?max_class=255"), SourceFault::kTimescale);
  EXPECT_EQ(said_of_an_arbitrary_scale("ptp4l?scale=utc"), SourceFault::kSettling) << "good so far";
}

// ---- from words to sources

TEST(MakeSource, SocketsAreLookedForLater) {
  const SourcePlace place{"/nonexistent", "main", {}};
  for (const char* word : {"system", "kernel", "chrony:/nonexistent/c", "ptp4l:/nonexistent/p"}) {
    const auto source = make_source(parsed(word), place, 0);
    ASSERT_TRUE(source) << word;
    EXPECT_FALSE((*source)->describe().empty());
  }
}

TEST(MakeSource, DaemonsThatAreNotThereAreNewsAndNoCrash) {
  const SourcePlace place{"/nonexistent", "main", {}};
  for (const char* word : {"chrony:/nonexistent/c", "ptp4l:/nonexistent/p"}) {
    const auto source = make_source(parsed(word), place, 0);
    ASSERT_TRUE(source);
    const News news = (*source)->poll(time::CycleRate::from_hz(1'000'000'000));
    ASSERT_TRUE(news && !*news) << word;
    EXPECT_EQ(news->error().fault, SourceFault::kUnreadable);
    EXPECT_NE(news->error().text.find("/nonexistent"), std::string::npos) << news->error().text;
  }
}

TEST(MakeSource, DevicesAreOpenedAtOnce) {
  const SourcePlace place{"/nonexistent", "main", {}};
  const auto no_device = make_source(parsed("phc:/nonexistent/ptp0?bound_us=5"), place, 0);
  ASSERT_FALSE(no_device);
  EXPECT_EQ(no_device.error().fault, SourceFault::kUnreadable);
  const auto no_card = make_source(parsed("ptp4l?clock=/dev/null"), place, 0);
  ASSERT_FALSE(no_card);
  EXPECT_EQ(no_card.error().fault, SourceFault::kUnsupported);
}

TEST(MakeSource, APortIsReadByTheProgramThatHasIt) {
  const auto port = make_source(parsed("port:0000:3b:00.0?bound_us=5"), {"/nonexistent", "main", {}}, 0);
  ASSERT_FALSE(port);
  EXPECT_EQ(port.error().fault, SourceFault::kUnsupported);
  EXPECT_NE(port.error().text.find("0000:3b:00.0"), std::string::npos) << port.error().text;
}

TEST(SourceFaults, EachHasAWordOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t fault = 0; fault < kSourceFaults; ++fault)
    names.insert(name_of(static_cast<SourceFault>(fault)));
  EXPECT_EQ(names.size(), kSourceFaults) << "they are labels of a metric";
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(SourcesHelp, NamesEveryKindAndParameter) {
  for (const char* name : {"system", "kernel", "chrony", "ptp4l", "phc", "bound_us", "scale", "domain", "clock",
                           "max_class", "accuracy_ns", "grandmaster", "asymmetry_ns", "hop_ns", "max_offset_us"})
    EXPECT_NE(sources_help().find(name), std::string_view::npos) << name;
}

}  // namespace
}  // namespace gnomon::ptp
