// SPDX-License-Identifier: Apache-2.0
//
// What a worker counts. One table names every counter; the Prometheus endpoint, `gnomon status` and docs/operations.md
// are made from it, so none of them can drift.
//
// A counter has one writer (the worker) and any number of readers: an increment is a relaxed load and a relaxed store,
// which costs what a plain increment costs. Readers may see counters of different moments.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gnomon::page {

enum class Counter : std::uint8_t {
  // served
  kDatagrams,
  kMessages,
  kReplies,
  kIds,
  kParked,
  kUnitsOpened,
  kTimes,
  kHlcUpdates,
  kCommitWaits,
  kCommitWaitsParked,
  // refused with a status
  kNotLeased,
  kClockUnsynchronised,
  kClockBehind,
  kBusy,
  kTooFar,
  kBadFormat,
  kBadCount,
  kUnauthorised,
  // dropped unanswered: the whole datagram, counted once
  kDropSourceDenied,
  kDropRateLimited,
  kDropLength,
  kDropMagic,
  kDropVersion,
  kDropReply,
  kDropFlags,
  kDropOp,
  kDropStatus,
  kDropFieldNotZero,
  // the twin's own
  kReceiveErrors,
  kSendErrors,
  kSendDropped,
  kTruncated,
  kBursts,
  kIdlePolls,
  kClockReadRetries,
  // of frames on DPDK ports: what was answered besides requests
  kFrames,
  kArpReplies,
  kNdpReplies,
  kEchoReplies,
  kAnnouncements,
  kAddressConflicts,
  // frames dropped unanswered, in the order of the checks
  kDropFrameLength,
  kDropMac,
  kDropVlan,
  kDropEthertype,
  kDropIpHeader,
  kDropIpOptions,
  kDropIpFragment,
  kDropIpChecksum,
  kDropIpDestination,
  kDropIpSource,
  kDropIpProtocol,
  kDropUdpLength,
  kDropUdpPort,
  kDropUdpChecksum,
  kDropArp,
  kDropIcmp,
  kDropNdp,
  kCount
};

constexpr std::size_t kCounters = static_cast<std::size_t>(Counter::kCount);

struct CounterInfo {
  Counter counter;
  std::string_view name;  // snake_case; Prometheus adds gnomon_ and _total
  std::string_view help;
};

constexpr std::array<CounterInfo, kCounters> kCounterTable{{
    {Counter::kDatagrams, "datagrams", "datagrams received, before any check"},
    {Counter::kMessages, "messages", "valid messages taken from accepted datagrams"},
    {Counter::kReplies, "replies", "reply messages written, of every status"},
    {Counter::kIds, "ids", "IDs issued; a range of n counts n"},
    {Counter::kParked, "parked", "requests that waited for the next unit of their layout"},
    {Counter::kUnitsOpened, "units_opened", "pairs of layout unit and machine id that were opened"},
    {Counter::kTimes, "times", "intervals of the true time given to now and time_sync"},
    {Counter::kHlcUpdates, "hlc_updates", "hybrid logical timestamps given to hlc_update"},
    {Counter::kCommitWaits, "commit_waits", "commit-waits released, those included that had nothing to wait for"},
    {Counter::kCommitWaitsParked, "commit_waits_parked", "commit-waits that had to wait"},
    {Counter::kNotLeased, "refused_not_leased", "replies not_leased: no right covers this time"},
    {Counter::kClockUnsynchronised, "refused_clock_unsynchronised", "replies clock_unsynchronised"},
    {Counter::kClockBehind, "refused_clock_behind", "replies clock_behind: the lead budget is used up"},
    {Counter::kBusy, "refused_busy",
     "replies busy: too many wait, the wait would be too long, or a hybrid clock is far ahead"},
    {Counter::kTooFar, "refused_too_far", "replies too_far: the time or hybrid timestamp lies too far ahead"},
    {Counter::kBadFormat, "refused_bad_format", "replies bad_format: layout unknown, not served or exhausted"},
    {Counter::kBadCount, "refused_bad_count", "replies bad_count: zero, or more than the layout's unit holds"},
    {Counter::kUnauthorised, "refused_unauthorised", "replies unauthorised: tag missing, wrong, or key unknown"},
    {Counter::kDropSourceDenied, "dropped_source_denied", "datagrams from sources outside the CIDR lists"},
    {Counter::kDropRateLimited, "dropped_rate_limited", "datagrams above their source's rate"},
    {Counter::kDropLength, "dropped_length", "datagrams that are not 1 to 22 messages of 64 bytes"},
    {Counter::kDropMagic, "dropped_magic", "datagrams with a message that does not begin with GNO1"},
    {Counter::kDropVersion, "dropped_version", "datagrams with a message of a foreign version"},
    {Counter::kDropReply, "dropped_reply", "datagrams with a reply sent as a request"},
    {Counter::kDropFlags, "dropped_flags", "datagrams with a message that sets unknown flags"},
    {Counter::kDropOp, "dropped_op", "datagrams with a message whose operation is unknown or not served"},
    {Counter::kDropStatus, "dropped_status", "datagrams with a request that carries a status"},
    {Counter::kDropFieldNotZero, "dropped_field_not_zero",
     "datagrams that set a field which the operation does not use"},
    {Counter::kReceiveErrors, "receive_errors", "failed receive calls other than 'nothing there'"},
    {Counter::kSendErrors, "send_errors", "failed send calls"},
    {Counter::kSendDropped, "send_dropped", "reply datagrams dropped because the socket or queue was full"},
    {Counter::kTruncated, "dropped_truncated", "datagrams longer than the receive buffer"},
    {Counter::kBursts, "bursts", "bursts that held at least one datagram"},
    {Counter::kIdlePolls, "idle_polls", "polls that found nothing"},
    {Counter::kClockReadRetries, "clock_read_retries", "bursts that went on with the previous clock record"},
    {Counter::kFrames, "frames", "frames received from DPDK ports, before any check"},
    {Counter::kArpReplies, "arp_replies", "ARP requests answered"},
    {Counter::kNdpReplies, "ndp_replies", "neighbour solicitations answered"},
    {Counter::kEchoReplies, "echo_replies", "ICMP and ICMPv6 echo requests answered"},
    {Counter::kAnnouncements, "announcements", "gratuitous ARP and unsolicited neighbour advertisements sent"},
    {Counter::kAddressConflicts, "address_conflicts", "frames in which another host claims one of our addresses"},
    {Counter::kDropFrameLength, "dropped_frame_length",
     "frames that end before their headers do or say, or that are longer than a buffer"},
    {Counter::kDropMac, "dropped_mac", "frames to another MAC address or a group, or from a group"},
    {Counter::kDropVlan, "dropped_vlan", "frames of a VLAN that is not served"},
    {Counter::kDropEthertype, "dropped_ethertype", "frames that are neither IPv4, IPv6 nor ARP"},
    {Counter::kDropIpHeader, "dropped_ip_header", "packets whose version or header length is wrong"},
    {Counter::kDropIpOptions, "dropped_ip_options", "packets with IPv4 options or IPv6 extension headers"},
    {Counter::kDropIpFragment, "dropped_ip_fragment", "fragments"},
    {Counter::kDropIpChecksum, "dropped_ip_checksum", "IPv4 headers with a wrong checksum"},
    {Counter::kDropIpDestination, "dropped_ip_destination", "packets to an address that is not ours"},
    {Counter::kDropIpSource, "dropped_ip_source", "packets from an address that can't be answered"},
    {Counter::kDropIpProtocol, "dropped_ip_protocol", "packets that are neither UDP nor ICMP"},
    {Counter::kDropUdpLength, "dropped_udp_length", "datagrams whose length is not that of their packet"},
    {Counter::kDropUdpPort, "dropped_udp_port", "datagrams to a port that is not served, or from port 0"},
    {Counter::kDropUdpChecksum, "dropped_udp_checksum", "datagrams with a wrong checksum, or none over IPv6"},
    {Counter::kDropArp, "dropped_arp", "ARP that asks for nothing of ours, or is malformed"},
    {Counter::kDropIcmp, "dropped_icmp", "ICMP and ICMPv6 that is no echo request to us, or is malformed"},
    {Counter::kDropNdp, "dropped_ndp", "neighbour discovery that asks for nothing of ours, or is malformed"},
}};

struct Counters {
  std::array<std::atomic<std::uint64_t>, kCounters> values{};

  void add(Counter counter, std::uint64_t n = 1) {
    auto& value = values[static_cast<std::size_t>(counter)];
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);  // single writer
  }
  [[nodiscard]] std::uint64_t get(Counter counter) const {
    return values[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }
};

namespace detail {
constexpr bool table_is_in_order() {
  for (std::size_t i = 0; i < kCounters; ++i)
    if (static_cast<std::size_t>(kCounterTable[i].counter) != i) return false;
  return true;
}
}  // namespace detail
static_assert(detail::table_is_in_order());

}  // namespace gnomon::page
