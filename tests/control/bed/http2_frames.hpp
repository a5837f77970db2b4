// SPDX-License-Identifier: Apache-2.0
//
// HTTP/2 as far as a proxy must see it: where one frame ends and the next one begins (RFC 9113, section 4.1), and what
// kind it is. Of headers and messages it understands nothing, and what it is fed may be cut anywhere.
//
// Thread rule: one thread per FrameSplitter.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gnomon::bed {

enum class FrameType : std::uint8_t {
  kData = 0,
  kHeaders = 1,    // opens a call, opens its answer, or (with kEndStream) ends it
  kRstStream = 3,  // a call is cancelled, or refused
  kGoAway = 7,     // the sender is about to close
  kPreface = 0xff  // no frame, but what a client says first
};

constexpr std::uint8_t kEndStream = 0x1;
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::size_t kFrameHeaderBytes = 9;

struct Frame {
  FrameType type = FrameType::kPreface;
  std::uint8_t flags = 0;
  std::size_t length = 0;  // without the header

  [[nodiscard]] bool ends_stream() const {
    return (type == FrameType::kHeaders || type == FrameType::kData) && (flags & kEndStream) != 0;
  }
  /// By which a caller takes back what it has asked for.
  [[nodiscard]] bool cancels() const { return type == FrameType::kRstStream || type == FrameType::kGoAway; }
};

/// `header`: kFrameHeaderBytes at least.
[[nodiscard]] inline Frame parse_frame_header(std::string_view header) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(header[i]); };
  const std::size_t length = (std::size_t{byte(0)} << 16) | (std::size_t{byte(1)} << 8) | byte(2);
  return {static_cast<FrameType>(byte(3)), byte(4), length};
}

class FrameSplitter {
 public:
  /// What a client says, or what a server says.
  static FrameSplitter of_client() { return FrameSplitter(kHttp2Preface.size()); }
  static FrameSplitter of_server() { return FrameSplitter(0); }

  /// Calls sink(frame, piece, begins) for all bytes, in order: the first piece of a frame is its whole header.
  template <typename Sink>
  void feed(std::string_view bytes, const Sink& sink) {
    while (!bytes.empty()) {
      if (left_ > 0) {
        const std::size_t n = std::min(left_, bytes.size());
        sink(frame_, bytes.substr(0, n), false);
        bytes.remove_prefix(n);
        left_ -= n;
        continue;
      }
      const std::size_t n = std::min(kFrameHeaderBytes - header_.size(), bytes.size());
      header_.append(bytes.substr(0, n));
      bytes.remove_prefix(n);
      if (header_.size() < kFrameHeaderBytes) return;
      frame_ = parse_frame_header(header_);
      left_ = frame_.length;
      sink(frame_, std::string_view(header_), true);
      header_.clear();
    }
  }

 private:
  explicit FrameSplitter(std::size_t preface) : left_(preface) {}

  Frame frame_;
  std::size_t left_;  // of the frame, or of the preface
  std::string header_;
};

/// What a client has said, without a frame that is not complete and without those that cancel.
[[nodiscard]] inline std::string without_cancellations(std::string_view said) {
  std::string kept(said.substr(0, kHttp2Preface.size()));
  std::size_t at = kHttp2Preface.size();
  while (at + kFrameHeaderBytes <= said.size()) {
    const Frame frame = parse_frame_header(said.substr(at));
    const std::size_t size = kFrameHeaderBytes + frame.length;
    if (at + size > said.size()) break;
    if (!frame.cancels()) kept += said.substr(at, size);
    at += size;
  }
  return kept;
}

}  // namespace gnomon::bed
