// SPDX-License-Identifier: Apache-2.0
//
// gnomon control heal: a machine id that a mad clock took into the far future. What can be done is little (nothing is
// ever lowered), so the command says plainly what it does not do.
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include "cmd/gnomon/control_parts.hpp"
#include "cmd/gnomon/etcd_access.hpp"
#include "cmd/gnomon/rights_view.hpp"
#include "cmd/options/directories.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "control/shared_state.hpp"

namespace gnomon::cmd {
namespace {

constexpr const char* kWho = "gnomon control heal";

time::SmearedUtc now_utc() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

/// A store that is open for the time of this command: one of the two.
struct OpenStore {
  std::unique_ptr<control::Store> etcd;
  std::optional<control::State> state;
  [[nodiscard]] control::Store& get() const { return state ? *state->store : *etcd; }
};

struct OpenFailure {
  ExitCode code = ExitCode::kRefused;
  std::string text;
};

tl::expected<OpenStore, OpenFailure> open_store(const ControlPlace& place) {
  OpenStore out;
  if (is_etcd(place.settings().store.url)) {
    auto store = open_etcd(place.settings());
    if (!store) return tl::make_unexpected(OpenFailure{store.error().code, store.error().text});
    out.etcd = std::move(*store);
    return out;
  }
  const auto paths = control::StatePaths::of(database_path(place.settings(), place.directory));
  if (::access(paths.database.c_str(), F_OK) != 0)  // open_state would make a new one
    return tl::make_unexpected(
        OpenFailure{ExitCode::kRefused, "there is no database " + paths.database + " to heal; check the path"});
  auto state = control::open_state(paths, kWho);
  if (!state) return tl::make_unexpected(OpenFailure{ExitCode::kRefused, state.error().text});
  out.state.emplace(std::move(*state));
  return out;
}

tl::expected<HealFacts, control::StoreError> read(control::Store& store, bool shared) {
  HealFacts facts;
  facts.shared = shared;
  for (const auto& [prefix, to] : {std::pair<std::string_view, control::Listing*>{"meta/", &facts.meta},
                                   {lease::kRightPrefix, &facts.rights},
                                   {lease::kSessionPrefix, &facts.sessions}}) {
    auto listing = store.list(prefix);
    if (!listing) return tl::make_unexpected(listing.error());
    *to = std::move(*listing);
  }
  facts.now = now_utc();
  return facts;
}

std::string far_floor(const StoreFace& store, time::SmearedUtc horizon) {
  if (store.floor <= horizon) return {};
  return fmt::format(
      "The floor of this whole store (meta/floor) is {}. No machine id is granted before that, and nothing lowers it: "
      "what was issued below is not known, so a lower floor could issue IDs twice, and heal does not touch it.\n"
      "To issue IDs sooner, use another store (another prefix or data directory) with machine ids that were never used "
      "in this one (ids.pinned; gnomon right list --all shows the used ones), or a layout of its own.\n",
      rfc3339(store.floor));
}

void print(const control::HealReport& report, const Output& output) {
  if (output.json) {
    JsonWriter json;
    json.begin_object().key("machine").number(report.machine.value + 0U).key("holder").text(report.holder);
    json.key("token").text(fmt::format("{}", report.token.value)).key("was_held").boolean(report.was_held);
    output.out << json.key("rests_until").text(rfc3339(report.ceiling)).end_object().str() << '\n';
    return;
  }
  output.out << fmt::format("machine id {} {}; it rests until {}\n", report.machine.value,
                            report.was_held
                                ? "was taken away from " + (report.holder.empty() ? "its holder" : report.holder)
                                : "was held by nobody",
                            rfc3339(report.ceiling));
}

}  // namespace

std::string heal_text(const HealFacts& facts, std::uint16_t machine) {
  const RightsView view = view_rights(facts.meta, facts.rights, facts.sessions, facts.now, facts.shared);
  const time::SmearedUtc horizon = horizon_of(sessions_of(facts.sessions), facts.now);
  const std::vector<RightRow> rows = shown(view, {.machine = machine, .holder = {}, .all = true});
  std::string out;
  if (!rows.empty() && rows.front().state != RightState::kUnreadable) {
    const RightRow& row = rows.front();
    out += fmt::format("This takes machine id {} away from whoever holds it: {}, token {}, floor {}, ceiling {}{}.\n",
                       machine, row.holder.empty() ? "holder unknown" : row.holder,
                       row.token ? token_text(*row.token) : "unknown", floor_text(row.floor), rfc3339(row.ceiling),
                       row.no_session ? ", which has no session" : "");
    out += fmt::format(
        "{}Then the id rests: nobody is granted it before {}{}. Its ceiling is not lowered, because its holder may "
        "have "
        "issued IDs anywhere below it.\n",
        facts.shared ? "If its holder runs, it learns of it at its next commit; until then it may use what it holds.\n"
                     : "",
        rfc3339(row.free_from),
        row.free_from > facts.now
            ? fmt::format(" ({} from now)", human_duration(time::saturating_sub(row.free_from, facts.now)))
            : ", which is past");
    if (row.ceiling <= horizon)
      out +=
          "Its window is no longer than an ordinary one: time alone frees it as soon, and there is nothing to heal "
          "unless "
          "its holder must be stopped.\n";
  }
  return out + far_floor(view.store, horizon);
}

ExitCode run_heal(const ControlOptions& options, std::istream& in, const Output& output) {
  if (const auto refused = cannot_ask(options, output)) return *refused;
  const auto place = place_of(options);
  if (!place) return output.fail(place.error().code, place.error().text);
  const auto store = open_store(*place);
  if (!store) return output.fail(store.error().code, store.error().text);
  const auto facts = read(store->get(), store->etcd != nullptr);
  if (!facts) {
    const ReadFailure failure = failure_of(facts.error());
    return output.fail(failure.code, failure.text);
  }
  const lease::RightTable table = lease::read_rights(facts->rights.entries);
  output.err << heal_text(*facts, options.machine);
  // Nobody is asked about what can't be done: heal_right says why not.
  const bool possible = table.find({options.machine}) != nullptr;
  if (possible && !agreed(options, "heal", in, output)) return output.fail(ExitCode::kRefused, "nothing was changed");
  const auto report = control::heal_right(store->get(), {options.machine}, kWho);
  if (!report) return refuse(output, report.error());
  if (store->state) give_to_owner(control::StatePaths::of(database_path(place->settings(), place->directory)), {});
  print(*report, output);
  return ExitCode::kOk;
}

}  // namespace gnomon::cmd
