// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: the rights page and the worker pages of a dead daemon, as its supervisor reads them, with any
// bytes changed. What is read too low is given back too early, and then issued twice; so demanded:
//
//   - no right is given back below where it was really used, whatever was changed in the pages;
//   - what is given back lies in its window, each machine id once;
//   - a page of another process or of another kind gives nothing back; what is not given back has a reason;
//   - untouched pages give back exactly what was used.
//
// The pages are too large, and too full of zeros, to be the input: it tells how they are made, and then what is
// changed. A check word may be forged by one who knows how; this one changes bytes like a fault of memory does, and
// repairs none.
//
// Input: see make() and damage(); past its end it is zeros.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "control/estate.hpp"
#include "tests/fuzz/cursor.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {
namespace {

using control::Estate;
using page::RightsPage;
using page::SlotUse;
using page::WorkerPage;

constexpr std::size_t kMaxInput = 512;
constexpr std::size_t kMostWorkers = 3;
constexpr std::uint64_t kIncarnation = 0x1122'3344'5566'7788;
constexpr control::DeadProcess kDead{4711, {90'000'000'000}};
constexpr std::int64_t kFloor = 1'790'000'000'000'000'000;
constexpr std::int64_t kWindow = 10'000'000'000;

struct Used {
  mint::Right right;
  time::SmearedUtc until;
  std::size_t worker = 0;
};

class Pages {
 public:
  /// Byte 0: workers. Then of each: its rights; bit 0: it has not acknowledged them, bit 1: it never had any before;
  /// and of each right: how far it was used, in units of 40 ms.
  explicit Pages(Cursor& in) : workers_(1 + in.byte() % kMostWorkers) {
    page::stamp(*rights_, kIncarnation, kDead.pid, static_cast<std::uint64_t>(kDead.started.ns) + 5);
    std::uint16_t machine = 1;
    for (std::size_t i = 0; i < workers_; ++i)
      make(i, in, machine);
  }

  /// Which page, two bytes of where, what to do, and with what.
  void damage(Cursor& in) {
    const std::size_t which = in.byte() % (workers_ + 1);
    const std::size_t place = in.byte() | std::size_t{in.byte()} << 8;
    const std::uint8_t what = in.byte();
    const std::uint8_t value = in.byte();
    const bool is_rights = which == workers_;
    // Where something stands, three times of four.
    const std::size_t interesting =
        is_rights ? sizeof(page::PageHeader) + workers_ * sizeof(page::RightsRecord) : offsetof(WorkerPage, counters);
    const std::size_t size = is_rights ? sizeof(RightsPage) : sizeof(WorkerPage);
    const std::size_t at = place % (what % 4 == 0 ? size : interesting);
    std::byte* const byte = (is_rights ? reinterpret_cast<std::byte*>(rights_.get())
                                       : reinterpret_cast<std::byte*>(pages_.at(which).get())) +
                            at;
    switch (what / 4 % 3) {
      case 0: *byte ^= static_cast<std::byte>(value); break;
      case 1: *byte = static_cast<std::byte>(value); break;
      default: std::memset(byte, value, std::min<std::size_t>(8, size - at)); break;
    }
    damaged_ = true;
  }

  void judge() const {
    std::array<const WorkerPage*, kMostWorkers> pages{};
    for (std::size_t i = 0; i < workers_; ++i)
      pages.at(i) = pages_.at(i).get();
    const auto estate = control::read_estate(*rights_, {pages.data(), workers_}, kDead);
    if (!estate) {
      demand(damaged_ && !estate.error().empty(), "good pages are refused, or bad ones without a reason");
      return note("refused");
    }
    check_parts(*estate);
    for (const std::string& left : estate->left)
      demand(!left.empty(), "a right is left without a reason");
    if (!estate->left.empty()) note("left");
    if (damaged_) return;
    demand(estate->left.empty(),
           estate->left.empty() ? "" : "good pages do not give all back: " + estate->left.front());
    demand(estate->parts.size() == used_.size(), "good pages do not give all back");
    note("all");
  }

 private:
  void make(std::size_t worker, Cursor& in, std::uint16_t& machine) {
    WorkerPage& page = *pages_.at(worker);
    page::stamp(page, kIncarnation, kDead.pid, static_cast<std::uint64_t>(kDead.started.ns) + 7);
    mint::RightSet set;
    set.generation.value = 3;
    set.count = in.byte() % (mint::kMaxRightsPerWorker + 1);
    const std::uint8_t how = in.byte();
    const bool acknowledged = (how & 1U) == 0;
    page.acknowledged = acknowledged ? 3 : 2;
    for (std::size_t i = 0; i < set.count; ++i) {
      mint::Right& right = set.slots.at(i);
      right = {{machine}, {(std::uint64_t{1} << 48) + machine}, {kFloor}, {kFloor + kWindow}};
      machine = static_cast<std::uint16_t>(machine + 1 + in.byte() % 5);
      const std::int64_t used = kFloor + std::int64_t{in.byte()} * 40'000'000;
      if (acknowledged) fill(page.slots.at(i), right.token.value, right.machine.value, used);
      used_.push_back({right, {acknowledged ? used : kFloor}, worker});
    }
    if (!acknowledged && (how & 2U) == 0)  // those of the set before
      for (SlotUse& slot : page.slots)
        fill(slot, 77, 7, kFloor - 1);
    rights_->workers.at(worker).rights.write(set);
  }

  static void fill(SlotUse& slot, std::uint64_t token, std::uint64_t machine, std::int64_t used) {
    slot.token = token;
    slot.machine = machine;
    slot.used_until_ns = used;
    slot.check = SlotUse::check_of(token, machine, used);
  }

  void check_parts(const Estate& estate) const {
    std::vector<mint::MachineId> machines;
    for (const control::EstatePart& part : estate.parts) {
      demand(part.right.token.value != 0 && part.right.floor <= part.right.ceiling, "a right that is none");
      demand(part.used_until >= part.right.floor, "used below its floor");
      demand(part.used_until <= part.right.ceiling + time::seconds(10), "used beyond its ceiling");
      machines.push_back(part.right.machine);
      const auto real = std::find_if(used_.begin(), used_.end(), [&](const Used& used) {
        return used.right.machine == part.right.machine && used.right.token == part.right.token;
      });
      if (real == used_.end()) continue;  // of this the store does not know, so nothing is given back
      note("given back");
      demand(part.used_until >= real->until || looks_fresh(real->worker),
             "a right is given back below where it was used");
      demand(damaged_ || (part.used_until == real->until && part.right == real->right), "not what was used");
    }
    std::sort(machines.begin(), machines.end());
    demand(std::adjacent_find(machines.begin(), machines.end()) == machines.end(), "a machine id is given back twice");
  }

  /// Two words were changed so that they agree: of a worker that seems not to have begun with this set, nothing was
  /// used.
  [[nodiscard]] bool looks_fresh(std::size_t worker) const {
    mint::RightSet set;
    std::uint64_t version = 0;
    return rights_->workers.at(worker).rights.try_read(set, version) &&
           pages_.at(worker)->acknowledged < set.generation.value && damaged_;
  }

  std::size_t workers_;
  std::unique_ptr<RightsPage> rights_ = std::make_unique<RightsPage>();
  std::array<std::unique_ptr<WorkerPage>, kMostWorkers> pages_{
      std::make_unique<WorkerPage>(), std::make_unique<WorkerPage>(), std::make_unique<WorkerPage>()};
  std::vector<Used> used_;
  bool damaged_ = false;
};

}  // namespace

Plan plan() { return {.longest = kMaxInput, .outcomes = {"refused", "left", "all", "given back"}}; }

std::map<std::string, Input> seeds() {
  std::map<std::string, Input> all;
  const Input two_workers{1, 2, 0, 0, 10, 0, 20, 1, 0, 0, 250};
  const auto with = [&](std::initializer_list<std::uint8_t> tail) {
    Input input = two_workers;
    input.insert(input.end(), tail);
    return input;
  };
  all["untouched"] = two_workers;
  all["no_rights"] = {0, 0, 0};
  all["eight_rights"] = {0, 8, 0, 0, 1, 1, 2, 2, 3, 3, 4, 0, 5, 0, 6, 0, 7, 0, 255};
  all["not_acknowledged"] = {0, 2, 1, 0, 10, 0, 20};
  all["never_had_any"] = {0, 2, 3, 0, 10, 0, 20};
  all["rights_page_of_another_process"] = with({2, 32, 0, 1, 1});
  all["rights_page_of_another_kind"] = with({2, 8, 0, 1, 1});
  all["rights_being_published"] = with({2, 64, 0, 1, 1});
  all["worker_page_of_another_run"] = with({0, 24, 0, 1, 1});
  all["use_that_lost_a_bit"] = with({0, 136, 0, 1, 64});
  all["use_of_another_token"] = with({0, 128, 0, 1, 1});
  all["generation_ahead"] = with({0, 64, 0, 5, 9});
  all["generation_behind"] = with({2, 72, 0, 5, 2});
  all["count_beyond_all"] = with({2, 88, 0, 5, 255});
  all["zeroed_slot"] = with({0, 128, 0, 9, 0, 0, 136, 0, 9, 0, 0, 144, 0, 9, 0, 0, 152, 0, 9, 0});
  return all;
}

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  if (size > kMaxInput) return -1;
  Cursor in({data, size});
  Pages pages(in);
  pages.judge();
  while (!in.empty())
    pages.damage(in);
  pages.judge();
  return 0;
}
