// SPDX-License-Identifier: Apache-2.0
//
// The C face of the client. Each function is the C++ one inside `guarded`, which turns errors into codes and lets no
// exception (out of memory) into a C caller's frames.
#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>
#include <utility>

#include "client/c_guard.hpp"
#include "client/client.hpp"
#include "client/gnomon.h"
#include "client/id_stream.hpp"
#include "oracle/id/codec.hpp"

using gnomon::client::Client;
using gnomon::client::ErrorKind;
using gnomon::client::IdRange;
using gnomon::client::IdStream;
using gnomon::client::capi::guarded;
using gnomon::client::capi::kFirstCode;
using gnomon::client::capi::missing;
using gnomon::client::capi::report;
namespace layouts = gnomon::id;  // `id` is a parameter of the functions below

struct gnomon_stream {
  IdStream stream;
};

namespace {

gnomon::client::Options options_of(const gnomon_options& given) {
  gnomon::client::Options options;
  std::string_view rest = given.servers;
  while (true) {
    const std::size_t comma = rest.find(',');
    options.servers.emplace_back(rest.substr(0, comma));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  constexpr std::uint64_t kTooLong = std::uint64_t{1} << 62;  // is refused by connect
  if (given.deadline_ns != 0) options.deadline.ns = static_cast<std::int64_t>(std::min(given.deadline_ns, kTooLong));
  if (given.sockets_per_server != 0) options.sockets_per_server = given.sockets_per_server;
  if (given.oscillator_ppb != 0) options.oscillator_ppb = given.oscillator_ppb;
  if (given.time_max_age_ns != 0)
    options.time_max_age.ns = static_cast<std::int64_t>(std::min(given.time_max_age_ns, kTooLong));
  if (given.random_start != 0) options.order = gnomon::client::ServerOrder::kRandomStart;
  if (given.key != nullptr) {
    options.key.emplace();
    options.key->id = given.key_id;
    std::memcpy(options.key->bytes.data(), given.key, options.key->bytes.size());
  }
  return options;
}

}  // namespace

int gnomon_connect(const gnomon_options* options, gnomon_client** client, gnomon_error* error) {
  if (options == nullptr || client == nullptr) return missing(error, "gnomon_connect needs options and client");
  if (options->servers == nullptr) return missing(error, "no server was named; set options.servers");
  return guarded(error, [&] {
    auto connected = Client::connect(options_of(*options));
    if (!connected) return report(error, connected.error());
    *client = new gnomon_client{std::move(*connected)};
    return static_cast<int>(GNOMON_OK);
  });
}

void gnomon_close(gnomon_client* client) { delete client; }

int gnomon_next_id(gnomon_client* client, uint16_t layout, uint64_t* id, gnomon_error* error) {
  if (client == nullptr || id == nullptr) return missing(error, "gnomon_next_id needs client and id");
  return guarded(error, [&] {
    const auto got = client->client.next_id({layout});
    if (!got) return report(error, got.error());
    *id = got->value;
    return static_cast<int>(GNOMON_OK);
  });
}

int gnomon_next_range(gnomon_client* client, uint16_t layout, uint32_t count, gnomon_range* range,
                      gnomon_error* error) {
  if (client == nullptr || range == nullptr) return missing(error, "gnomon_next_range needs client and range");
  return guarded(error, [&] {
    const auto got = client->client.next_range({layout}, count);
    if (!got) return report(error, got.error());
    *range = {got->first.value, got->count, got->stride};
    return static_cast<int>(GNOMON_OK);
  });
}

int gnomon_next_ids(gnomon_client* client, uint16_t layout, uint64_t* ids, size_t count, gnomon_error* error) {
  if (client == nullptr || ids == nullptr) return missing(error, "gnomon_next_ids needs client and ids");
  return guarded(error, [&] {
    const auto ranges = client->client.next_ids({layout}, count);
    if (!ranges) return report(error, ranges.error());
    std::size_t at = 0;
    for (const IdRange& range : *ranges)
      for (std::uint32_t i = 0; i < range.count && at < count; ++i)
        ids[at++] = range.at(i).value;
    return static_cast<int>(GNOMON_OK);
  });
}

int gnomon_ping(gnomon_client* client, size_t server_index, gnomon_ping_reply* reply, gnomon_error* error) {
  if (client == nullptr || reply == nullptr) return missing(error, "gnomon_ping needs client and reply");
  return guarded(error, [&] {
    const auto got = client->client.ping(server_index);
    if (!got) return report(error, got.error());
    *reply = {.incarnation = got->incarnation,
              .right_remaining_ns = static_cast<std::uint64_t>(got->right_remaining.ns),
              .round_trip_ns = static_cast<std::uint64_t>(got->round_trip.ns),
              .token_low = got->token_low,
              .machine_id = got->machine.value,
              .leased = static_cast<std::uint16_t>(got->leased ? 1 : 0)};
    return static_cast<int>(GNOMON_OK);
  });
}

int gnomon_stream_open(gnomon_client* client, uint16_t layout, uint64_t max_age_ns, gnomon_stream** stream,
                       gnomon_error* error) {
  if (client == nullptr || stream == nullptr) return missing(error, "gnomon_stream_open needs client and stream");
  return guarded(error, [&] {
    gnomon::client::StreamOptions options;
    options.layout = {layout};
    constexpr std::uint64_t kTooLong = std::uint64_t{1} << 62;  // is refused by open
    if (max_age_ns != 0) options.max_age.ns = static_cast<std::int64_t>(std::min(max_age_ns, kTooLong));
    auto opened = IdStream::open(client->client, options);
    if (!opened) return report(error, opened.error());
    *stream = new gnomon_stream{std::move(*opened)};
    return static_cast<int>(GNOMON_OK);
  });
}

int gnomon_stream_next(gnomon_stream* stream, uint64_t* id, gnomon_error* error) {
  if (stream == nullptr || id == nullptr) return missing(error, "gnomon_stream_next needs stream and id");
  return guarded(error, [&] {
    const auto got = stream->stream.next();
    if (!got) return report(error, got.error());
    *id = got->value;
    return static_cast<int>(GNOMON_OK);
  });
}

void gnomon_stream_close(gnomon_stream* stream) { delete stream; }

int gnomon_decode(uint16_t layout, uint64_t id, gnomon_fields* fields, gnomon_error* error) {
  if (fields == nullptr) return missing(error, "gnomon_decode needs fields");
  return guarded(error, [&] {
    for (const layouts::Layout& known : layouts::builtin_layouts()) {
      if (known.number.value != layout) continue;
      const auto decoded = layouts::decode(known, {id});
      if (!decoded) return report(error, ErrorKind::kBadArgument, layouts::text_of(decoded.error()), {});
      *fields = {decoded->time.ns, decoded->sequence, decoded->machine.value};
      return static_cast<int>(GNOMON_OK);
    }
    return report(error, ErrorKind::kBadFormat, "this layout is not built in; gnomon_decode knows 1, 2 and 3", {});
  });
}

const char* gnomon_code_text(int code) {
  if (code == GNOMON_OK) return "ok";
  if (code < kFirstCode || code > GNOMON_E_SYSTEM) return "unknown code";
  return gnomon::client::text_of(static_cast<ErrorKind>(code - kFirstCode)).data();  // all are literals
}
