// SPDX-License-Identifier: Apache-2.0
//
// What can be had of the fuzzer without libFuzzer, in every build: its seeds are run, and frames changed at random by a
// fixed seed, a hundred thousand of them or, in full, a million. Everything that the Judge demands holds for all.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>

#include "tests/dataplane/frame/neighbour.hpp"
#include "tests/fuzz/corpus.hpp"
#include "tests/fuzz/frame_input.hpp"
#include "tests/fuzz/mutator.hpp"

// Of the fuzzer. libFuzzer's own mutation stands here for as little as it may be.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size) {
  if (size == 0 && max_size != 0) data[size++] = 0x5a;
  return size;
}
// NOLINTEND(readability-identifier-naming)

namespace gnomon::fuzz {
namespace {

using frame::testing::Judge;
using frame::testing::ValidFrame;
using page::Counter;
using support::Bytes;

// The frames that are worth starting from: those that are answered, and one step beside them.
std::map<std::string, Bytes> seed_frames() {
  std::map<std::string, Bytes> frames;
  for (const ValidFrame& valid : frame::testing::valid_frames()) {
    std::string name = valid.name;
    std::replace(name.begin(), name.end(), ' ', '_');
    frames[name] = valid.frame;
  }
  const support::Envelope all_nodes{.from_mac = frame::testing::kGuestMac,
                                    .to_mac = {0x33, 0x33, 0, 0, 0, 1},
                                    .from = frame::testing::kHost6,
                                    .to = support::address_of("ff02::1"),
                                    .tags = {}};
  frames["gratuitous_ARP"] = support::gratuitous_arp_frame(frame::testing::to_host4());
  frames["advertisement"] = support::advertisement_frame(all_nodes, {.flags = 0x20, .options = {}});
  frames["whole_unit"] =
      frame::testing::request_frame(frame::testing::to_host4(), frame::testing::requests(3, 1, 4096));
  return frames;
}

std::map<std::string, Input> seeds() {
  std::map<std::string, Input> inputs;
  for (const auto& [name, frame] : seed_frames()) {
    Input input{kRepairChecksums | kRepairLengths, 64};
    for (const std::byte b : frame)
      input.push_back(std::to_integer<std::uint8_t>(b));
    inputs[name] = input;
  }
  return inputs;
}

// GNOMON_REWRITE_SEEDS=1 writes the seeds anew. What a fuzzer found is added by hand, and stays.
TEST(FrameFuzz, SeedsAreInTheTree) {
  if (std::getenv("GNOMON_REWRITE_SEEDS") != nullptr)
    for (const auto& [name, input] : seeds())
      write_to_corpus(corpus_folder(), name, input);
  const auto files = files_of_corpus(corpus_folder());
  for (const auto& [name, input] : seeds()) {
    ASSERT_TRUE(files.contains(name)) << name;
    EXPECT_EQ(files.at(name), input) << name;
  }
}

TEST(FrameFuzz, EveryFileOfTheCorpusUnderAllCircumstances) {
  const auto files = files_of_corpus(corpus_folder());
  ASSERT_GE(files.size(), 20U);
  for (const auto& [name, input] : files) {
    SCOPED_TRACE(name);
    for (unsigned flags = 0; flags < 256; ++flags) {
      Input changed = input;
      changed[0] = static_cast<std::uint8_t>(flags);
      ASSERT_EQ(LLVMFuzzerTestOneInput(changed.data(), changed.size()), 0);
    }
  }
  for (std::size_t size = 0; size <= kCircumstances; ++size)
    EXPECT_EQ(LLVMFuzzerTestOneInput(Input(kCircumstances, 0xff).data(), size), 0);
  const Input too_long(kMaxInput + 1);
  EXPECT_EQ(LLVMFuzzerTestOneInput(too_long.data(), too_long.size()), -1) << "not worth keeping";
}

TEST(FrameFuzz, TheMutatorKeepsWithinItsRoom) {
  const auto all = seeds();
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    const Input& input = std::next(all.begin(), static_cast<std::ptrdiff_t>(seed % all.size()))->second;
    const std::size_t room = input.size() + seed % 50;
    Input data = input;
    data.resize(room);
    data.shrink_to_fit();
    const std::size_t size = LLVMFuzzerCustomMutator(data.data(), input.size(), room, seed);
    ASSERT_LE(size, room);
    ASSERT_EQ(LLVMFuzzerTestOneInput(data.data(), size), 0);
  }
}

// Half of the repairs are put off, so that wrong sums and lengths are met as well.
TEST(FrameFuzz, MutatedFrames) {
  const char* const full = std::getenv("GNOMON_TEST_FULL");
  const int frames = full != nullptr && std::string_view(full) == "1" ? 1'000'000 : 100'000;
  constexpr std::uint64_t kSeed = 20261124;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  Mutator mutator(kSeed);
  std::vector<Bytes> bases;
  for (const auto& [name, frame] : seed_frames())
    bases.push_back(frame);
  frame::StationOptions by_port = frame::testing::host_options();
  by_port.port_makes_checksums = true;
  by_port.vlans = {0, 7};
  std::array<Judge, 2> judges{Judge(frame::testing::host_options()), Judge(by_port)};

  std::map<Counter, int> counted;
  for (int i = 0; i < frames; ++i) {
    Bytes frame = bases[mutator.pick(bases.size())];
    mutator.mutate(frame, 2048);
    if (mutator.pick(2) == 0) repair_lengths(frame);
    if (mutator.pick(4) != 0) repair_checksums(frame);
    const frame::PortChecks checks{.ip = static_cast<frame::Verified>(mutator.pick(8) == 0 ? mutator.pick(3) : 0),
                                   .udp = static_cast<frame::Verified>(mutator.pick(8) == 0 ? mutator.pick(3) : 0)};
    const std::size_t capacity =
        std::max<std::size_t>(1, frame.size() + (mutator.pick(2) == 0 ? 0 : mutator.pick(128)));
    Judge& judge = judges.at(mutator.pick(judges.size()));
    ASSERT_EQ(judge.judge(frame, checks, capacity), "") << "frame " << i;
    ASSERT_EQ(judge.advance(time::microseconds(20)), "") << "frame " << i;
    ++counted[judge.last().counter];
  }
  for (Judge& judge : judges) {
    EXPECT_EQ(judge.check_books(), "");
    EXPECT_GT(judge.count(Counter::kParked), 100U) << "late replies too";
    EXPECT_EQ(judge.count(Counter::kReplies) + judge.rig().server.parked(), judge.count(Counter::kMessages));
  }
  for (const Counter counter : frame::testing::frame_counters())
    EXPECT_GT(counted[counter], frames / 5000) << frame::testing::name_of(counter) << " was hardly reached";
  EXPECT_GT(counted[Counter::kDatagrams], frames / 20);
}

}  // namespace
}  // namespace gnomon::fuzz
