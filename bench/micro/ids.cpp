// SPDX-License-Identifier: Apache-2.0
//
// The generator alone, and a request through the server in place. Time is virtual and moves on before a unit is used
// up, so what is measured is the work and never the wait: a real machine id yields 4,096 IDs a millisecond at most.
#include <benchmark/benchmark.h>

#include <memory>

#include "bench/serve_loop.hpp"
#include "oracle/id/codec.hpp"
#include "oracle/mint/generator.hpp"
#include "oracle/wire/auth.hpp"

namespace {

using namespace gnomon;  // NOLINT(google-build-using-namespace)

constexpr time::SmearedUtc kStart{1'767'225'600'000'000'000};

void generator(benchmark::State& state) {
  const auto wanted = static_cast<std::uint32_t>(state.range(0));
  mint::IdGenerator generator(id::builtin_layouts()[0], false);
  mint::RightSet rights;
  rights.generation.value = 1;
  rights.count = 1;
  rights.slots[0] = {{1}, {1}, kStart, time::SmearedUtc::max()};
  generator.adopt(rights);
  mint::MintTime now{kStart, time::seconds(1), {0}};
  std::uint64_t ids = 0;
  for (auto _ : state) {
    const mint::Take take = generator.take(now, wanted);
    if (take.refusal != mint::Refusal::kNone) now.now = now.now + time::milliseconds(1);
    ids += take.count;
    benchmark::DoNotOptimize(take.first);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(ids));
}
BENCHMARK(generator)->Name("generator/ids_per_take")->Arg(1)->Arg(16)->Arg(256)->Arg(4096);

void server(benchmark::State& state) {
  const auto messages = static_cast<std::size_t>(state.range(0));
  const auto loop = std::make_unique<bench::ServeLoop>();
  for (auto _ : state)
    loop->burst(messages);
  state.SetItemsProcessed(static_cast<std::int64_t>(loop->ids()));
}
BENCHMARK(server)->Name("server/one_id_requests_per_datagram")->Arg(1)->Arg(22);

wire::Message request() {
  wire::Message message;
  message.op = static_cast<std::uint8_t>(wire::Op::kNextId);
  message.count = 1;
  message.format = 1;
  return message;
}

void message_check(benchmark::State& state) {
  std::array<std::byte, wire::kMessageSize> bytes{};
  wire::store(request(), bytes.data());
  for (auto _ : state) {
    benchmark::DoNotOptimize(bytes);
    benchmark::DoNotOptimize(wire::check_request(bytes.data()));
  }
}
BENCHMARK(message_check)->Name("message/check_request");

void message_load_store(benchmark::State& state) {
  std::array<std::byte, wire::kMessageSize> bytes{};
  wire::store(request(), bytes.data());
  for (auto _ : state) {
    wire::Message message = wire::load(bytes.data());
    ++message.request_id;
    wire::store(message, bytes.data());
    benchmark::DoNotOptimize(bytes);
  }
}
BENCHMARK(message_load_store)->Name("message/load_and_store");

void message_tag(benchmark::State& state) {
  wire::Message message = request();
  const wire::Key key{{1}, {1, 2, 3}};
  for (auto _ : state) {
    ++message.request_id;
    benchmark::DoNotOptimize(wire::tag_of(message, key.bytes));
  }
}
BENCHMARK(message_tag)->Name("message/siphash_tag");

void decode(benchmark::State& state) {
  const id::Layout layout = id::builtin_layouts()[0];
  id::Id id{396814713251434496U};
  for (auto _ : state) {
    benchmark::DoNotOptimize(id::decode(layout, id));
    ++id.value;
  }
}
BENCHMARK(decode)->Name("id/decode");

}  // namespace

BENCHMARK_MAIN();
