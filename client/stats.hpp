// SPDX-License-Identifier: Apache-2.0
//
// What a client counts, since its start or its last fork. Counters of one snapshot may be of slightly different
// moments.
#pragma once

#include <cstdint>

namespace gnomon::client {

struct Stats {
  // calls
  std::uint64_t calls = 0;         // taken on
  std::uint64_t calls_ok = 0;      // ended with what was asked for
  std::uint64_t calls_failed = 0;  // ended with an error
  std::uint64_t overloaded = 0;    // refused because too many were pending
  std::uint64_t ids = 0;           // granted to callers
  // the wire
  std::uint64_t datagrams_sent = 0;
  std::uint64_t messages_sent = 0;  // / datagrams_sent = how well calls share datagrams
  std::uint64_t send_failures = 0;  // datagrams that the kernel did not take; their calls go elsewhere
  std::uint64_t datagrams_received = 0;
  std::uint64_t replies = 0;  // matched with a request, of every status
  // retries
  std::uint64_t retries = 0;   // transmissions beyond the first of a call
  std::uint64_t timeouts = 0;  // transmissions that no reply came to
  std::uint64_t refused = 0;   // transmissions ended by "connection refused"
  std::uint64_t statuses = 0;  // replies with a status other than ok
  // replies that were ignored
  std::uint64_t replies_invalid = 0;       // not a reply of this protocol; counts datagrams for a wrong length
  std::uint64_t replies_unknown = 0;       // nobody waits for this id: late, duplicated or forged
  std::uint64_t replies_wrong_server = 0;  // the id was sent to another server
  std::uint64_t replies_mismatched = 0;    // operation, layout or count do not answer what was asked
  std::uint64_t replies_bad_tag = 0;       // signature missing or wrong
  // the time
  std::uint64_t exchanges = 0;            // that proved something
  std::uint64_t exchanges_faulty = 0;     // whose stamps prove nothing: the round trip took too long, or a clock jumped
  std::uint64_t time_contradictions = 0;  // exchanges that denied what earlier ones had proved
  // servers
  std::uint64_t hints_followed = 0;  // not_holder named a server that is known: it is asked first from then on
  std::uint64_t hints_unknown = 0;   // not_holder named a server that is not in the list
  std::uint64_t penalties = 0;       // times that a server was put last for a while
};

}  // namespace gnomon::client
