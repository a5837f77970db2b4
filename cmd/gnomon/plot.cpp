// SPDX-License-Identifier: Apache-2.0
//
// gnomon plot: a picture of the uncertainty over time, from a recording of `gnomon now --watch --csv`. gnuplot draws
// it.
//
// A line is missing where there was no interval: a gap is what it was. The recording may come from anywhere, so it is
// read here, number by number, and gnuplot gets numbers only.
#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

#include "cmd/gnomon/now.hpp"
#include "oracle/time/uncertainty.hpp"
#include "platform/system_error.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::size_t kTerms = time::kTerms.size();
constexpr std::size_t kColumns = 4 + kTerms;  // before the source
constexpr std::size_t kMaxRows = 10'000'000;

struct Row {
  double seconds = 0;  // since the first
  std::optional<double> epsilon_us;
  std::array<double, kTerms> terms_us{};
};

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> fields(std::string_view line) {
  std::vector<std::string_view> out;
  while (out.size() < kColumns) {
    const std::size_t comma = line.find(',');
    out.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) break;
    line.remove_prefix(comma + 1);
  }
  return out;
}

tl::expected<std::vector<Row>, std::string> read_recording(std::istream& in) {
  std::string line;
  if (!std::getline(in, line) || line != recording_header())
    return tl::make_unexpected(
        std::string("this is no recording: its first line is not that of `gnomon now --watch --csv`"));
  std::vector<Row> rows;
  std::optional<std::int64_t> start;
  for (std::size_t at = 2; std::getline(in, line); ++at) {
    if (line == recording_header()) continue;  // several recordings in one file
    const std::vector<std::string_view> field = fields(line);
    const auto when = field.size() == kColumns ? number(field[0]) : std::nullopt;
    if (!when) return tl::make_unexpected(fmt::format("line {} of the recording is damaged: remove it", at));
    if (rows.size() >= kMaxRows) return tl::make_unexpected(fmt::format("more than {} lines: cut it", kMaxRows));
    if (!start) start = when;
    Row& row = rows.emplace_back();
    row.seconds = (static_cast<double>(*when) - static_cast<double>(*start)) / 1e9;
    const auto epsilon = number(field[2]);
    if (!epsilon) continue;
    row.epsilon_us = static_cast<double>(*epsilon) / 1e3;
    for (std::size_t i = 0; i < kTerms; ++i)
      row.terms_us[i] = static_cast<double>(number(field[4 + i]).value_or(0)) / 1e3;
  }
  if (std::none_of(rows.begin(), rows.end(), [](const Row& row) { return row.epsilon_us.has_value(); }))
    return tl::make_unexpected(std::string("the recording holds no interval: record while there is a time, or longer"));
  return rows;
}

std::string script_of(const std::vector<Row>& rows) {
  std::string out = "$looks << GNOMON_END\n";
  for (const Row& row : rows) {
    if (!row.epsilon_us) {
      out += "\n";  // a gap
      continue;
    }
    out += fmt::format("{:.6f} {:.3f}", row.seconds, *row.epsilon_us);
    double below = 0;
    for (const double term : row.terms_us)
      out += fmt::format(" {:.3f}", below += term);
    out += "\n";
  }
  out +=
      "GNOMON_END\n"
      "set terminal svg size 1000,500 dynamic enhanced background '#ffffff'\n"
      "set title 'uncertainty of the true time'\n"
      "set xlabel 'seconds'\nset ylabel 'microseconds either way'\nset yrange [0:*]\n"
      "set key outside right top\nset grid\nset style fill solid 0.5 noborder\n";
  out += fmt::format("set xrange [0:{:.6f}]\nplot ", std::max(rows.back().seconds, 1.0));
  // The largest sum first, so that the smaller ones stand in front of it.
  for (std::size_t i = kTerms; i-- > 0;)
    out += fmt::format("$looks using 1:{} with filledcurves x1 lc {} title '{}', ", i + 3, i + 1, time::kTerms[i].name);
  return out + "$looks using 1:2 with lines lw 2 lc 'black' title 'epsilon'\n";
}

tl::unexpected<std::string> cannot(const std::string& what, int code = errno) {
  return tl::make_unexpected(platform::system_error(what, code).text);
}

/// Runs gnuplot on the script in `from`, its standard output going to `to`.
tl::expected<void, std::string> draw(const std::string& gnuplot, int from, int to) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, from, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
  std::string program = gnuplot;
  std::array<char*, 2> argv{program.data(), nullptr};
  pid_t child = 0;
  const int failed = posix_spawnp(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed == ENOENT)
    return tl::make_unexpected(
        fmt::format("{} is not installed (package gnuplot-nox); or take --script elsewhere", gnuplot));
  if (failed != 0) return cannot("run " + gnuplot, failed);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return tl::make_unexpected(fmt::format("{} failed; what it said stands above", gnuplot));
}

/// A file without a name that holds `text`, to be read from its beginning.
tl::expected<platform::UniqueFd, std::string> file_with(const std::string& text) {
  platform::UniqueFd fd(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd.valid()) return cannot("make a temporary file in /tmp");
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd.get(), text.data() + done, text.size() - done);
    if (n < 0) return cannot("write a temporary file in /tmp");
    done += static_cast<std::size_t>(n);
  }
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return cannot("rewind a temporary file");
  return fd;
}

/// A picture is written only when it is complete, so that a failure does not cost the one that was there.
ExitCode write_to(std::ostream& out, int picture, const std::string& where, const Output& output) {
  std::array<char, 65'536> piece{};
  off_t at = 0;
  while (true) {
    const ssize_t n = ::pread(picture, piece.data(), piece.size(), at);
    if (n < 0) return output.fail(ExitCode::kRefused, platform::system_error("read the picture").text);
    if (n == 0) break;
    out.write(piece.data(), n);
    at += n;
  }
  out.flush();
  return out ? ExitCode::kOk : output.fail(ExitCode::kRefused, fmt::format("{} can't be written", where));
}

}  // namespace

ExitCode run_plot(const PlotOptions& options, std::istream& in, const Output& output) {
  std::ifstream file;
  if (options.recording != "-") {
    file.open(options.recording);
    if (!file)
      return output.fail(ExitCode::kUsage, platform::system_error(fmt::format("read {}", options.recording)).text);
  }
  const auto rows = read_recording(options.recording == "-" ? in : file);
  if (!rows) return output.fail(ExitCode::kRefused, rows.error());
  const std::string script = script_of(*rows);
  if (options.script) {
    output.out << script;
    return ExitCode::kOk;
  }
  const auto told = file_with(script);
  if (!told) return output.fail(ExitCode::kRefused, told.error());
  const auto drawn = file_with({});
  if (!drawn) return output.fail(ExitCode::kRefused, drawn.error());
  if (const auto done = draw(options.gnuplot, told->get(), drawn->get()); !done)
    return output.fail(ExitCode::kRefused, done.error());
  if (::lseek(drawn->get(), 0, SEEK_END) <= 0)
    return output.fail(ExitCode::kRefused, "gnuplot drew nothing; what it said stands above");
  if (options.picture.empty()) return write_to(output.out, drawn->get(), "standard output", output);
  std::ofstream picture(options.picture, std::ios::binary | std::ios::trunc);
  return write_to(picture, drawn->get(), options.picture, output);
}

}  // namespace gnomon::cmd
