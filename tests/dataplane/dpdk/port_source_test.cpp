// SPDX-License-Identifier: Apache-2.0
//
// From the word port:DEVICE in the configuration to claims about the time, with a clock of the test's own behind it.
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "cmd/gnomond/port_clock.hpp"
#include "cmd/options/resolve.hpp"
#include "cmd/options/source.hpp"
#include "dataplane/dpdk/port_clocks.hpp"
#include "dataplane/dpdk/timesync.hpp"
#include "ptp/sources.hpp"

namespace gnomon::test {
namespace {

using dataplane::dpdk::Timesync;
using dataplane::dpdk::TimesyncCalls;

constexpr std::int64_t kToday = 1'760'000'000'000'000'000;
constexpr auto kGigahertz = time::CycleRate::from_hz(1'000'000'000);
const std::string kDevice = "0000:3b:00.0";

std::uint64_t g_cycles = 0;

const TimesyncCalls kCalls{.enable = [](std::uint16_t) { return 0; },
                           .read_time =
                               [](std::uint16_t, timespec* shown) {
                                 g_cycles += 500;
                                 const std::int64_t now = kToday + static_cast<std::int64_t>(g_cycles);
                                 *shown = {now / 1'000'000'000, now % 1'000'000'000};
                                 g_cycles += 500;
                                 return 0;
                               },
                           .read_cycles = [] { return time::Cycles{g_cycles}; }};

ptp::SourceSpec spec_of(const std::string& text) {
  auto spec = ptp::parse_source(text, time::milliseconds(10));
  if (!spec) throw std::runtime_error(spec.error());
  return *spec;
}

TEST(PortSource, IsParsed) {
  const ptp::SourceSpec spec = spec_of("port:0000:3b:00.0?bound_us=5");
  EXPECT_EQ(spec.kind, ptp::SourceKind::kPort);
  EXPECT_EQ(spec.path, kDevice);
  EXPECT_EQ(spec.scale, ptp::Scale::kTai);
  EXPECT_EQ(spec.bound, time::microseconds(5));
  EXPECT_EQ(spec_of("port:net_x0?bound_us=5&scale=utc").scale, ptp::Scale::kUtc);
}

TEST(PortSource, IsRefusedWithWhatIsMissing) {
  const std::pair<std::string, std::string> cases[] = {
      {"port:0000:3b:00.0", "bound_us=N"},
      {"port", "name a device of dpdk.devices"},
      {"port:?bound_us=5", "name a device of dpdk.devices"},
      {"port:/dev/ptp0?bound_us=5", "name a device of dpdk.devices"},
      {"port:net_ring0,x=1?bound_us=5", "name a device of dpdk.devices"},
      {"port:net_ring0?bound_us=5&domain=1", "no parameter of port"},
      {"phc:0000:3b:00.0?bound_us=5", "full path"},
  };
  for (const auto& [text, words] : cases) {
    const auto spec = ptp::parse_source(text, time::milliseconds(10));
    ASSERT_FALSE(spec.has_value()) << text;
    EXPECT_NE(spec.error().find(words), std::string::npos) << spec.error();
  }
}

TEST(PortSource, IsNotMadeWithoutADataPlane) {
  const auto source = ptp::make_source(spec_of("port:0000:3b:00.0?bound_us=5"), {"/nowhere", "main", {}}, 0);
  ASSERT_FALSE(source.has_value());
  EXPECT_EQ(source.error().fault, ptp::SourceFault::kUnsupported);
}

cmd::Configuration configured(const std::vector<std::string>& devices, const std::string& source) {
  std::string text = "[clock]\nsources = [\"" + source + "\"]\n[access]\nauth = \"never\"\n";
  text += "[server]\nlisten = [\"192.0.2.10:14666\"]\n[dpdk]\ndevices = [";
  for (const std::string& device : devices)
    text += "\"" + device + "\",";
  text += "]\n";
  cmd::ConfigSources sources;
  sources.file = cmd::ConfigSources::File{"gnomond.toml", text};
  auto configuration = cmd::resolve(sources);
  if (configuration) return std::move(*configuration);
  std::string problems;
  for (const std::string& problem : configuration.error())
    problems += problem + "\n";
  throw std::runtime_error(problems);
}

std::string problems_of(const std::vector<std::string>& devices, const std::string& source) {
  try {
    (void)configured(devices, source);
  } catch (const std::runtime_error& problems) {
    return problems.what();
  }
  return {};
}

TEST(PortSource, NeedsItsDeviceInTheDataPlane) {
  const std::string source = "port:0000:3b:00.0?bound_us=5";
  EXPECT_NE(problems_of({}, source).find("dpdk.devices is empty"), std::string::npos) << problems_of({}, source);
  const std::string other = problems_of({"0000:3b:00.1", "net_null0"}, source);
  EXPECT_NE(other.find("lists no 0000:3b:00.0"), std::string::npos) << other;
  EXPECT_EQ(problems_of({"0000:3b:00.0,dv_flow_en=1"}, source), "");
  EXPECT_EQ(problems_of({"3B:00.0"}, source), "") << "the same device in another spelling";
}

TEST(PortSource, ClaimsOnceThePortHasStarted) {
  const std::string text = "port:0000:3B:00.0?bound_us=5";
  const cmd::Settings settings = configured({"0000:3b:00.0,dv_flow_en=1"}, text).settings;
  const auto source = cmd::port_source(spec_of(text), settings);
  ASSERT_TRUE(source.has_value()) << source.error().text;
  EXPECT_NE((*source)->describe().find(kDevice), std::string::npos);
  EXPECT_NE((*source)->describe().find("0.005 ms"), std::string::npos) << (*source)->describe();

  const ptp::News early = (*source)->poll(kGigahertz);
  ASSERT_TRUE(early.has_value());
  ASSERT_FALSE(early->has_value());
  EXPECT_EQ(early->error().fault, ptp::SourceFault::kNotSynchronised);

  dataplane::dpdk::offer_clock(kDevice, *Timesync::enable(0, kDevice, kCalls));
  const ptp::News first = (*source)->poll(kGigahertz);
  ASSERT_TRUE(first.has_value());
  ASSERT_FALSE(first->has_value()) << "one reading can't show a clock that stands still";
  EXPECT_EQ(first->error().fault, ptp::SourceFault::kSettling);
  g_cycles += 10'000'000;
  const ptp::News news = (*source)->poll(kGigahertz);
  ASSERT_TRUE(news.has_value());
  ASSERT_TRUE(news->has_value()) << news->error().text;
  const ptp::Claim& claim = **news;
  EXPECT_EQ(claim.scale, ptp::Scale::kTai);
  EXPECT_EQ(claim.reading_ns, kToday + static_cast<std::int64_t>(claim.at.count));
  EXPECT_EQ(claim.terms.source, time::microseconds(5));
  EXPECT_GE(claim.terms.reading, time::nanoseconds(500));
  EXPECT_TRUE(claim.root.bare_clock);
  EXPECT_EQ(claim.root.clock, ptp::ClockKind::kPort);

  dataplane::dpdk::withdraw_clock(kDevice);
  const ptp::News late = (*source)->poll(kGigahertz);
  ASSERT_TRUE(late.has_value());
  EXPECT_FALSE(late->has_value());
}

}  // namespace
}  // namespace gnomon::test
