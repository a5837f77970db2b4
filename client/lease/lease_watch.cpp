// SPDX-License-Identifier: Apache-2.0
//
// A stream of changes, driven by whoever asks for the next one; it has no thread. A stream that ends is opened again at
// the next server, which tells everything anew, so what was missed in between shows as a gap and then as what is there.
// A server that vanished without a word looks like one where nothing happens; so a quiet stream is checked with a small
// call to the same server.
#include <grpcpp/support/async_stream.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "client/lease/lease_call.hpp"
#include "client/lease/lease_handles.hpp"
#include "client/lease/lease_info.hpp"

namespace gnomon::client {
namespace {

constexpr time::Duration kQuiet = time::seconds(15);
constexpr time::Duration kCheckTimeout = time::seconds(5);
constexpr time::Duration kFirstPause = time::milliseconds(20);
constexpr time::Duration kLongestPause = time::seconds(1);

enum class Tag : std::uint8_t { kStart, kRead, kFinish, kCheck };

/// One stream at one server. Its end waits for what is under way, which was cancelled.
class WatchStream {
 public:
  WatchStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& prefix)
      : stub_(v1::LeaseService::NewStub(channel)) {
    v1::WatchLeasesRequest request;
    request.set_prefix(prefix);
    reader_ = stub_->AsyncWatchLeases(&context_, request, &queue_, tag(Tag::kStart));
  }
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;
  ~WatchStream() {
    context_.TryCancel();
    if (check_context_) check_context_->TryCancel();
    queue_.Shutdown();
    void* ignored_tag = nullptr;
    bool ignored_ok = false;
    while (queue_.Next(&ignored_tag, &ignored_ok)) {
    }
  }

  enum class Happening : std::uint8_t { kNothing, kEvent, kEnded };
  [[nodiscard]] Happening wait(time::Duration timeout) {
    const HostDeadline deadline(timeout);
    do {
      void* which = nullptr;
      bool ok = false;
      const time::Duration until = std::min(deadline.left(), check_ ? deadline.left() : quiet_.left());
      if (queue_.AsyncNext(&which, &ok, grpc_deadline(until)) != grpc::CompletionQueue::GOT_EVENT) {
        if (quiet_.over() && !check_) check();
        continue;
      }
      const Happening happening = happened(static_cast<Tag>(static_cast<const char*>(which) - tags_.data()), ok);
      if (happening != Happening::kNothing) return happening;
    } while (!deadline.over());
    return Happening::kNothing;
  }
  [[nodiscard]] v1::LeaseEvent take() {
    v1::LeaseEvent event = std::move(event_);
    event_.Clear();
    reader_->Read(&event_, tag(Tag::kRead));
    return event;
  }
  [[nodiscard]] const grpc::Status& status() const { return status_; }

 private:
  [[nodiscard]] void* tag(Tag tag) { return &tags_[static_cast<std::size_t>(tag)]; }

  Happening happened(Tag which, bool ok) {
    switch (which) {
      case Tag::kStart:
        if (ok)
          reader_->Read(&event_, tag(Tag::kRead));
        else
          reader_->Finish(&status_, tag(Tag::kFinish));
        break;
      case Tag::kRead:
        if (ok) {
          quiet_ = HostDeadline(kQuiet);
          return Happening::kEvent;
        }
        reader_->Finish(&status_, tag(Tag::kFinish));
        break;
      case Tag::kFinish: return Happening::kEnded;
      case Tag::kCheck:
        check_.reset();
        quiet_ = HostDeadline(kQuiet);
        // Any answer is a sign of life.
        if (check_status_.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED &&
            check_status_.error_code() != grpc::StatusCode::UNAVAILABLE)
          break;
        context_.TryCancel();
        break;
    }
    return Happening::kNothing;
  }
  void check() {
    check_context_ = std::make_unique<grpc::ClientContext>();
    check_context_->set_deadline(grpc_deadline(kCheckTimeout));
    v1::ListLeasesRequest request;
    request.set_limit(1);
    check_ = stub_->AsyncListLeases(check_context_.get(), request, &queue_);
    check_->Finish(&check_response_, &check_status_, tag(Tag::kCheck));
  }

  std::array<char, 4> tags_{};  // their addresses are the tags
  std::unique_ptr<LeaseStub> stub_;
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReader<v1::LeaseEvent>> reader_;
  v1::LeaseEvent event_;
  grpc::Status status_;
  HostDeadline quiet_{kQuiet};
  std::unique_ptr<grpc::ClientContext> check_context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::ListLeasesResponse>> check_;
  v1::ListLeasesResponse check_response_;
  grpc::Status check_status_;
};

}  // namespace

struct LeaseWatch::State {
  State(std::shared_ptr<LeaseTransport> over, std::string names)
      : transport(std::move(over)), prefix(std::move(names)), server(transport->preferred()) {}

  [[nodiscard]] LeaseResult<std::optional<LeaseChange>> next(time::Duration timeout);

  std::mutex mutex;  // callers of next, one by one
  const std::shared_ptr<LeaseTransport> transport;
  const std::string prefix;
  std::size_t server;
  std::unique_ptr<WatchStream> stream;
  bool told_here = false;  // by this stream
  HostDeadline not_before{time::Duration{}};
  time::Duration pause = kFirstPause;
};

LeaseResult<std::optional<LeaseChange>> LeaseWatch::State::next(time::Duration timeout) {
  const HostDeadline deadline(timeout);
  for (;;) {
    if (!stream) {
      const time::Duration pause_left = std::min(not_before.left(), deadline.left());
      std::this_thread::sleep_for(std::chrono::nanoseconds(pause_left.ns));
      if (!not_before.over()) return std::nullopt;
      stream = std::make_unique<WatchStream>(transport->server(server).channel, prefix);
      told_here = false;
    }
    switch (stream->wait(deadline.left())) {
      case WatchStream::Happening::kNothing: return std::nullopt;
      case WatchStream::Happening::kEvent: {
        const v1::LeaseEvent event = stream->take();
        pause = kFirstPause;
        told_here = true;
        return LeaseChange{info_of(event.lease()), event.initial(), event.caught_up(), event.gap()};
      }
      case WatchStream::Happening::kEnded: break;
    }
    const LeaseFault fault = fault_of(stream->status(), transport->server(server).server, "watching leases",
                                      transport->is_connected(server));
    stream.reset();
    if (!fault.elsewhere) return tl::make_unexpected(fault.error);
    server = (server + 1) % transport->servers();
    not_before = HostDeadline(pause);
    pause = std::min(pause * 2, kLongestPause);
    if (!std::exchange(told_here, false)) continue;
    LeaseChange gap;
    gap.lease.status = LeaseStatus::kFree;
    gap.gap = true;
    return gap;
  }
}

LeaseWatch::LeaseWatch(std::unique_ptr<State> state) : state_(std::move(state)) {}

LeaseWatch::~LeaseWatch() {
  if (!state_->transport->is_ours()) abandon(state_);
}

LeaseResult<std::optional<LeaseChange>> LeaseWatch::next(time::Duration timeout) {
  if (!state_->transport->is_ours()) return tl::make_unexpected(closed_error());
  const std::lock_guard lock(state_->mutex);
  return state_->next(timeout);
}

LeaseResult<std::unique_ptr<LeaseWatch>> LeaseClient::watch(const std::string& prefix) {
  if (!state_->transport->is_ours()) return tl::make_unexpected(closed_error());
  auto state = std::make_unique<LeaseWatch::State>(state_->transport, prefix);
  return std::unique_ptr<LeaseWatch>(new LeaseWatch(std::move(state)));
}

}  // namespace gnomon::client
