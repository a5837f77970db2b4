// SPDX-License-Identifier: Apache-2.0
#include "tests/support/lease_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace gnomon::support {
namespace {

constexpr std::array<std::string_view, 3> kWhats{"began", "acts", "ended"};

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The six words of a line; nothing if there are more or fewer, or two spaces.
std::optional<std::array<std::string_view, 6>> words_of(std::string_view text) {
  std::array<std::string_view, 6> words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t end = i + 1 == words.size() ? text.size() : text.find(' ');
    if (end == std::string_view::npos) return std::nullopt;
    words[i] = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    if (words[i].empty() || words[i].find(' ') != std::string_view::npos) return std::nullopt;
  }
  return words;
}

}  // namespace

std::string encode(const LeaseLine& line) {
  return fmt::format("{} {} {} {} {} {}", line.who, line.name, line.token, kWhats[static_cast<std::size_t>(line.what)],
                     line.at.earliest.ns, line.at.latest.ns);
}

tl::expected<LeaseLine, std::string> parse_lease_line(std::string_view text) {
  const auto wrong = [text](std::string_view why) {
    return tl::make_unexpected(fmt::format("the line \"{}\" {}", text, why));
  };
  const auto words = words_of(text);
  if (!words) return wrong("does not have six words");
  const auto token = number_of<std::uint64_t>((*words)[2]);
  const auto earliest = number_of<std::int64_t>((*words)[4]);
  const auto latest = number_of<std::int64_t>((*words)[5]);
  if (!token || !earliest || !latest) return wrong("has no number where one belongs");
  if (*latest < *earliest) return wrong("has an interval that ends before it begins");
  const auto what = std::find(kWhats.begin(), kWhats.end(), (*words)[3]);
  if (what == kWhats.end()) return wrong("says neither began nor acts nor ended");
  return LeaseLine{std::string((*words)[0]),
                   std::string((*words)[1]),
                   *token,
                   static_cast<LeaseLine::What>(what - kWhats.begin()),
                   {{*earliest}, {*latest}}};
}

void LeaseHistory::add(const LeaseLine& line) {
  const Key key{line.who, line.name, line.token};
  const auto at = tenures_.find(key);
  if (line.what == LeaseLine::What::kBegan) {
    if (at != tenures_.end())
      misplaced_.push_back(fmt::format("{} begins twice to hold {} under {}", line.who, line.name, line.token));
    else
      tenures_.emplace(key, Tenure{line.who, line.name, line.token, line.at, line.at.latest, false});
    return;
  }
  if (at == tenures_.end() || at->second.ended) {
    misplaced_.push_back(
        fmt::format("{} acts under {} of {}, which it does not hold", line.who, line.token, line.name));
    return;
  }
  // Certain is what lies before the earliest that this moment can have been.
  at->second.held_until = std::max(at->second.held_until, line.at.earliest);
  at->second.ended = line.what == LeaseLine::What::kEnded;
}

tl::expected<void, std::string> LeaseHistory::read(std::string_view text) {
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const auto line = parse_lease_line(text.substr(0, end));
    if (!line) return tl::make_unexpected(line.error());
    add(*line);
    text.remove_prefix(end + 1);
  }
  return {};
}

std::map<std::string, std::vector<const LeaseHistory::Tenure*>> LeaseHistory::by_name() const {
  std::map<std::string, std::vector<const Tenure*>> out;
  for (const auto& [key, tenure] : tenures_)
    out[tenure.name].push_back(&tenure);
  for (auto& [name, tenures] : out)
    std::sort(tenures.begin(), tenures.end(), [](const Tenure* a, const Tenure* b) {
      return std::tie(a->began.latest, a->token) < std::tie(b->began.latest, b->token);
    });
  return out;
}

// Two certain spans meet: in the order of their certain begins, each is held against the one of all before it that
// certainly held for longest.
void LeaseHistory::judge_overlaps(const std::vector<const Tenure*>& tenures, std::vector<std::string>& out) {
  const Tenure* longest = nullptr;
  for (const Tenure* tenure : tenures) {
    // What is held for no certain time at all is still held at its beginning.
    if (longest != nullptr && tenure->began.latest < longest->held_until)
      out.push_back(fmt::format(
          "{} is held by {} under {} and by {} under {}, together for at least {} ns", tenure->name, longest->who,
          longest->token, tenure->who, tenure->token,
          (std::min(longest->held_until, std::max(tenure->held_until, tenure->began.latest)) - tenure->began.latest)
              .ns));
    if (longest == nullptr || tenure->held_until > longest->held_until) longest = tenure;
  }
}

// Certain is the order of two begins only if their intervals don't meet.
void LeaseHistory::judge_tokens(const std::vector<const Tenure*>& tenures, std::vector<std::string>& out) {
  std::map<std::uint64_t, std::string> holders;
  for (const Tenure* tenure : tenures) {
    const auto [at, is_new] = holders.try_emplace(tenure->token, tenure->who);
    if (!is_new)
      out.push_back(
          fmt::format("{} is held under {} by {} and by {}", tenure->name, tenure->token, at->second, tenure->who));
  }
  const Tenure* newest = nullptr;
  auto later = tenures;  // in the order of their earliest begins
  std::sort(later.begin(), later.end(),
            [](const Tenure* a, const Tenure* b) { return a->began.earliest < b->began.earliest; });
  auto earlier = tenures.begin();  // in the order of their latest begins
  for (const Tenure* tenure : later) {
    for (; earlier != tenures.end() && (*earlier)->began.latest < tenure->began.earliest; ++earlier)
      if (newest == nullptr || (*earlier)->token > newest->token) newest = *earlier;
    if (newest != nullptr && tenure->token < newest->token)
      out.push_back(fmt::format("{} is granted to {} under {}, after {} had it under {}", tenure->name, tenure->who,
                                tenure->token, newest->who, newest->token));
  }
}

std::vector<std::string> LeaseHistory::violations(std::size_t served) const {
  std::vector<std::string> out = misplaced_;
  const auto names = by_name();
  if (names.empty() && served != 0) out.emplace_back("nobody ever held anything");
  for (const auto& [name, tenures] : names) {
    judge_overlaps(tenures, out);
    judge_tokens(tenures, out);
    std::set<std::string_view> holders;
    for (const Tenure* tenure : tenures)
      holders.insert(tenure->who);
    if (tenures.size() < served || (served > 1 && holders.size() < 2))
      out.push_back(fmt::format("{} was held {} times by {} holders; {} times by two were due", name, tenures.size(),
                                holders.size(), served));
  }
  return out;
}

std::size_t LeaseHistory::judged() const {
  std::size_t pairs = 0;
  for (const auto& [name, tenures] : by_name())
    pairs += tenures.size() * (tenures.size() - 1) / 2;
  return pairs;
}

}  // namespace gnomon::support
