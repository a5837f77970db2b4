// SPDX-License-Identifier: Apache-2.0
#include "tests/control/bed/proxied_connection.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace gnomon::bed {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kReadBytes = 65536;
// For a connection whose frames can't be read: the server's answer is among what it says so soon after its first word.
constexpr milliseconds kAnswerAmong{100};
// For the server to answer what came late, and whose asker has gone.
constexpr milliseconds kOrphanLimit{2000};

std::string_view received(int fd, std::array<char, kReadBytes>& buffer, ssize_t& n) {
  do
    n = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return {buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

void close_with_reset(platform::UniqueFd& fd) {
  if (!fd.valid()) return;
  const linger at_once{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd.reset();
}

}  // namespace

void ProxiedConnection::Flow::append(std::string_view bytes, Time due) {
  queued += bytes.size();
  if (!chunks.empty() && chunks.back().due == due)
    chunks.back().bytes += bytes;
  else
    chunks.push_back({std::string(bytes), due});
}

ProxiedConnection::ProxiedConnection(platform::UniqueFd client, const platform::Endpoint& server,
                                     std::shared_ptr<ProxyRecord> record)
    : client_(std::move(client)), record_(std::move(record)) {
  const platform::SocketAddress address = platform::to_socket_address(server);
  server_.reset(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!server_.valid()) throw std::system_error(errno, std::generic_category(), "a socket to the server");
  connected_ = connect(server_.get(), address.get(), address.size) == 0;
  if (!connected_ && errno != EINPROGRESS) doomed_ = true;
}

std::pair<pollfd, pollfd> ProxiedConnection::to_poll(const ProxyRules& rules, Time now) const {
  const auto may_write = [&](const Flow& flow) {
    return flows(rules) && !flow.chunks.empty() && flow.chunks.front().due <= now;
  };
  const auto entry = [](const platform::UniqueFd& fd, bool reads, bool writes) {
    const int events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);
    // The kernel reports an error even to those who wait for nothing, again and again.
    return pollfd{events == 0 ? -1 : fd.get(), static_cast<short>(events), 0};
  };
  const bool reads_client = to_server_.open() && to_server_.queued < kMaxQueued;
  // A server that speaks first would be read before it is known what to make of it.
  const bool reads_server = connected_ && known_ && to_client_.open() && to_client_.queued < kMaxQueued;
  return {entry(client_, reads_client, may_write(to_client_)),
          entry(server_, reads_server, !connected_ || may_write(to_server_))};
}

std::optional<ProxiedConnection::Time> ProxiedConnection::next_due(const ProxyRules& rules) const {
  std::optional<Time> next = reset_at_;
  for (const Flow* flow : {&to_server_, &to_client_})
    if (flows(rules) && !flow->chunks.empty() && (!next || flow->chunks.front().due < *next))
      next = flow->chunks.front().due;
  return next;
}

void ProxiedConnection::step(const pollfd& client, const pollfd& server, const ProxyRules& rules, Time now,
                             ProxyCounts& counts) {
  if (!connected_ && server.revents != 0) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(server_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    connected_ = error == 0;
    doomed_ = doomed_ || error != 0;
  }
  if (!doomed_ && (client.revents & (POLLIN | POLLHUP | POLLERR)) != 0) read_client(rules, now, counts);
  if (!doomed_ && connected_ && (server.revents & (POLLIN | POLLHUP | POLLERR)) != 0) read_server(rules, now, counts);
  if (!doomed_ && flows(rules)) {
    if (connected_) write(to_server_, server_, now, counts.bytes_to_server);
    if (!orphaned_) write(to_client_, client_, now, counts.bytes_to_client);
    finish();
  }
  if (doomed_ || (reset_at_ && *reset_at_ <= now)) reset(counts);
}

void ProxiedConnection::read_client(const ProxyRules& rules, Time now, ProxyCounts& counts) {
  if (!to_server_.open()) return;
  std::array<char, kReadBytes> buffer;
  ssize_t n = 0;
  const std::string_view bytes = received(client_.get(), buffer, n);
  if (n > 0) return take_request(bytes, now + rules.delay, counts);
  if (n < 0 && errno == EAGAIN) return;
  to_server_.end = n == 0 ? End::kFin : End::kReset;
  if (held_) orphaned_ = true;
}

void ProxiedConnection::take_request(std::string_view bytes, Time due, ProxyCounts& counts) {
  if (!known_) {
    known_ = true;
    record_->is_http2 = bytes.starts_with(kHttp2Preface.substr(0, bytes.size()));
  }
  if (record_->bytes.size() + bytes.size() <= kMaxRecorded && !record_->truncated)
    record_->bytes += bytes;
  else
    record_->truncated = true;
  if (!record_->is_http2) return to_server_.append(bytes, due);
  client_frames_.feed(bytes, [&](const Frame& frame, std::string_view piece, bool begins) {
    if (begins && frame.ends_stream()) ++record_->requests;
    const bool is_lost = held_ && frame.cancels();
    if (is_lost && begins) ++counts.cancellations_lost;
    if (!is_lost) to_server_.append(piece, due);
  });
}

void ProxiedConnection::read_server(const ProxyRules& rules, Time now, ProxyCounts& counts) {
  if (!to_client_.open()) return;
  std::array<char, kReadBytes> buffer;
  ssize_t n = 0;
  const std::string_view bytes = received(server_.get(), buffer, n);
  if (n > 0) return take_answer(bytes, now + rules.delay, now, rules, counts);
  if (n < 0 && errno == EAGAIN) return;
  to_client_.end = n == 0 ? End::kFin : End::kReset;
  if (orphaned_) doomed_ = true;
}

void ProxiedConnection::take_answer(std::string_view bytes, Time due, Time now, const ProxyRules& rules,
                                    ProxyCounts& counts) {
  const auto pass = [&](std::string_view piece) {
    if (orphaned_ || dropping_)
      counts.bytes_swallowed += piece.size();
    else
      to_client_.append(piece, due);
  };
  const bool drops = rules.mode == ProxyMode::kDropAnswers;
  if (record_->is_http2) {
    server_frames_.feed(bytes, [&](const Frame& frame, std::string_view piece, bool begins) {
      if (drops && begins && frame.type == FrameType::kHeaders && !dropping_) {
        drop_answer(counts);
        doomed_ = true;
      }
      pass(piece);
    });
    return;
  }
  if (drops && !dropping_) {
    drop_answer(counts);
    reset_at_ = now + kAnswerAmong;
  }
  pass(bytes);
}

void ProxiedConnection::drop_answer(ProxyCounts& counts) {
  dropping_ = true;
  ++counts.answers_dropped;
}

void ProxiedConnection::let_go(Time now, ProxyCounts& counts) {
  if (!held_) return;
  held_ = false;
  if (!orphaned_) return;
  ++counts.late_deliveries;
  reset_at_ = now + kOrphanLimit;
}

void ProxiedConnection::write(Flow& flow, const platform::UniqueFd& to, Time now, std::uint64_t& count) {
  while (!flow.chunks.empty() && flow.chunks.front().due <= now) {
    const std::string& bytes = flow.chunks.front().bytes;
    const ssize_t n = send(to.get(), bytes.data() + flow.sent_of_first, bytes.size() - flow.sent_of_first,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
      doomed_ = doomed_ || (errno != EAGAIN && errno != EINTR);
      return;
    }
    count += static_cast<std::uint64_t>(n);
    flow.queued -= static_cast<std::size_t>(n);
    flow.sent_of_first += static_cast<std::size_t>(n);
    if (flow.sent_of_first < bytes.size()) continue;
    flow.chunks.pop_front();
    flow.sent_of_first = 0;
  }
}

// Each side learns that the other one has ended when all that it had said is through.
void ProxiedConnection::finish() {
  const auto pass_end = [&](Flow& flow, const platform::UniqueFd& to) {
    if (flow.open() || flow.told || !flow.chunks.empty()) return;
    flow.told = true;
    if (flow.end == End::kFin)
      shutdown(to.get(), SHUT_WR);
    else
      doomed_ = true;
  };
  if (connected_ && !orphaned_) pass_end(to_server_, server_);
  if (!orphaned_) pass_end(to_client_, client_);
  if (doomed_ || !to_server_.told || !to_client_.told) return;
  client_.reset();
  server_.reset();
}

void ProxiedConnection::reset(ProxyCounts& counts) {
  ++counts.resets;
  close_with_reset(client_);
  close_with_reset(server_);
}

}  // namespace gnomon::bed
