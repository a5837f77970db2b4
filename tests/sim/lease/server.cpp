// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/lease/server.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "tests/sim/clocks.hpp"

namespace gnomon::sim::leases {

namespace desk_event = control::desk_event;
namespace desk_effect = control::desk_effect;

namespace {

constexpr time::Duration kShortestTick = time::milliseconds(2);
constexpr time::Uptime kSinceBoot{1'000'000'000'000};  // of a server on the true time: it matters to nobody

template <class... Ts>
struct Overload : Ts... {
  using Ts::operator()...;
};

std::string_view kind_of(const control::Command& command) {
  constexpr std::string_view kKinds[] = {"open", "renew", "close",    "acquire", "release",
                                         "get",  "list",  "validate", "break"};
  return kKinds[command.index()];
}

std::string_view kind_of(const control::Reply& reply) {
  if (!reply) return control::text_of(reply.error().fault);
  const auto* answered = std::get_if<control::Answered>(&*reply);
  if (answered == nullptr) return "shown";
  constexpr std::string_view kKinds[] = {"refused", "open",     "closed",    "held",
                                         "waiting", "released", "withdrawn", "broken"};
  if (const auto* refused = std::get_if<lease::answer::Refused>(&answered->answer)) return lease::text_of(refused->why);
  return kKinds[answered->answer.index()];
}

}  // namespace

Server::Server(Environment& environment, Network& network, std::uint32_t number, Machine* machine)
    : env_(environment),
      network_(network),
      number_(number),
      machine_(machine),
      clock_(environment.random.fork(), environment.plan.epsilon),
      way_(environment, [this](std::uint32_t life, control::DeskEvent event) {
        if (life == life_ && desk_) happen(std::move(event));
      }) {}

lease::Expiry Server::truth() {
  if (machine_ == nullptr) return {{}, true_time(env_.now())};
  return {machine_->boot(), {machine_->read(env_.now()).uptime.ns}};
}

time::Uptime Server::uptime() {
  return machine_ == nullptr ? kSinceBoot + (env_.now() - time::Uptime{}) : machine_->read(env_.now()).uptime;
}

control::DeskTime Server::read_clock() {
  if (machine_ == nullptr) return {clock_.read(env_.now()), uptime()};
  // A clock of one's own is never wrong; but whoever asks may be told that the daemon can't tell the time.
  auto refused = clock_.read(env_.now());
  lease::Moment moment = machine_->moment(env_.now());
  moment.since = since_;
  if (!refused) return {tl::make_unexpected(std::move(refused.error())), {moment.now.earliest.ns}};
  return {moment, {moment.now.earliest.ns}};
}

void Server::start() {
  if (desk_) return;
  control::DeskOptions options;
  options.policy.store = env_.facts;
  options.policy.min_ttl = time::milliseconds(200);
  options.policy.max_ttl = time::seconds(60);
  desk_ = std::make_unique<control::LeaseDesk>(options, env_.draw_nonce());
  ++life_;
  if (machine_ != nullptr) since_ = machine_->moment(env_.now()).now.latest;
  stopped_until_ = {};
  tick_at_.reset();
  env_.note("server {} starts, life {}", number_, life_);
  way_.watch(life_);
  happen(desk_event::Tick{});
}

void Server::kill() {
  if (!desk_) return;
  env_.note("server {} is killed", number_);
  desk_.reset();
  callers_.clear();
  inbox_.clear();
}

void Server::pause(time::Uptime until) {
  if (!desk_ || until <= stopped_until_) return;
  env_.note("server {} stops until {:.3f} s", number_, static_cast<double>(until.ns) / 1e9);
  stopped_until_ = until;
  env_.agenda.at(until, [this, life = life_] {
    if (life == life_ && desk_) wake();
  });
}

void Server::resume() {
  stopped_until_ = env_.now();
  if (desk_) wake();
}

void Server::wake() {
  if (env_.now() < stopped_until_) return;
  while (!inbox_.empty()) {
    const control::DeskEvent event = std::move(inbox_.front());
    inbox_.pop_front();
    step(event);
  }
}

void Server::happen(control::DeskEvent event) {
  if (env_.now() < stopped_until_ || !inbox_.empty()) {
    inbox_.push_back(std::move(event));
    return;
  }
  step(event);
}

void Server::asked(const Request& request) {
  if (!desk_) return;
  const control::CallId id{next_call_++};
  env_.note("server {} is asked by client {} (request {}, {})", number_, request.client, request.number,
            kind_of(request.command));
  control::Call call{.id = id,
                     .session = request.session,
                     .principal = "local",
                     .command = request.command,
                     .deadline = read_clock().uptime + request.patience};
  callers_.emplace(id, Caller{request, call});
  happen(desk_event::Asked{std::move(call)});
}

void Server::gone(std::uint32_t client, std::uint64_t number) {
  for (auto at = callers_.begin(); at != callers_.end(); ++at)
    if (at->second.request.client == client && at->second.request.number == number) {
      const control::CallId id = at->first;
      callers_.erase(at);
      return happen(desk_event::Gone{id});
    }
}

void Server::step(const control::DeskEvent& event) {
  const control::DeskTime now = read_clock();
  for (control::DeskEffect& effect : desk_->step(event, now))
    carry_out(effect, now);
  schedule_tick();
}

void Server::carry_out(control::DeskEffect& effect, const control::DeskTime& now) {
  std::visit(Overload{[&](const desk_effect::Read& read) { way_.read(life_, read); },
                      [&](const desk_effect::Commit& commit) {
                        // Whoever commits without a time decides nothing by it; the checkers then have the truth.
                        const lease::Expiry truth = this->truth();
                        const lease::Moment moment =
                            now.moment ? *now.moment : lease::Moment{truth.boot, {truth.at, truth.at}, since_};
                        way_.commit(life_, commit, moment, [this, life = life_, deadline = commit.deadline] {
                          return life != life_ || uptime() < deadline;
                        });
                      },
                      [&](const desk_effect::Send& reply) { send(reply); }, [](const desk_effect::Tell&) {}},
             effect);
}

void Server::send(const desk_effect::Send& effect) {
  const auto at = callers_.find(effect.call);
  if (at == callers_.end()) return;  // gone, and the desk had not heard of it
  const Caller& caller = at->second;
  env_.note("server {} answers client {} (request {}, {}): {}", number_, caller.request.client, caller.request.number,
            kind_of(caller.call.command), kind_of(effect.reply));
  env_.answers.answered(caller.call, effect.reply, caller.request.sent, env_.now(), env_.store, truth());
  network_.reply(number_, caller.request, effect.reply);
  callers_.erase(at);
}

// The daemon's clock of deadlines runs as the true time does, but for what a suspend and 500 ppm make of it: whoever is
// ticked too early asks for another tick.
void Server::schedule_tick() {
  const auto wanted = desk_->next_tick();
  if (!wanted) return;
  const time::Duration wait = std::max(kShortestTick, *wanted - read_clock().uptime);
  const time::Uptime at = env_.now() + wait;
  if (tick_at_ && *tick_at_ <= at) return;
  tick_at_ = at;
  env_.agenda.at(at, [this, life = life_, at] {
    if (life != life_ || !desk_ || tick_at_ != at) return;
    tick_at_.reset();
    happen(desk_event::Tick{});
  });
}

}  // namespace gnomon::sim::leases
