#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records the corpus: what Linux puts on a wire towards a host, and what Linux as that host answers.

Two network namespaces of this process's own, joined by a veth pair, and nothing else of the machine: in one of them the
kernel is the host whose part frame::Station plays in the test, in the other the kernel and the usual tools (ping, arping,
sockets) talk to it. A packet socket on the host's end sees both directions. Transmit checksums are made in software, so the
bytes are those that a wire would carry; frames are not padded, because veth does not pad.

    record.py OUT.hex      as root, or as a user who may make user namespaces; takes half a minute

A step keeps the frames of the protocol that it is about; what else the kernels say to each other meanwhile is left out.
The file holds blocks: '# name', then frames in hexadecimal, '>' to the host and '<' from it, long ones continued on lines
that begin with a blank. corpus_test.cpp knows the names, and says what the station has to make of each frame.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

HOST_MAC, GUEST_MAC = "02:67:6e:6f:00:01", "02:67:6e:6f:00:02"
HOST4, GUEST4, FREE4 = "192.0.2.1", "192.0.2.2", "192.0.2.77"
HOST6, GUEST6 = "2001:db8::1", "2001:db8::2"
PORT = 14666
CLONE_NEWNET = 0x40000000
MESSAGE = bytes.fromhex("474e4f31" "01020000" + "8877665544332211" + "00" * 16 + "01000000" + "00" * 10 + "0100" + "00" * 16)

libc = ctypes.CDLL(None, use_errno=True)


def checked(status):
    if status != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def new_namespace():
    checked(libc.unshare(CLONE_NEWNET))
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def run(*words, may_fail=False):
    subprocess.run(words, check=not may_fail, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL if may_fail else None)


def sysctl(name, value):
    with open("/proc/sys/net/" + name, "w", encoding="ascii") as file:
        file.write(str(value))


def kind_of(frame):
    """The protocol that a frame is about, as the names of steps begin."""
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype < 0x600:
        return "802.3"
    if ethertype == 0x0806:
        return "arp"
    if ethertype == 0x0800:
        return {1: "icmp4", 2: "igmp", 6: "tcp4", 17: "udp4"}.get(frame[23])
    if frame[38:54] == socket.inet_pton(socket.AF_INET6, "ff02::16"):
        return "mld"
    following = frame[54] if frame[20] in (0, 44, 60) else frame[20]  # behind one extension header
    if following == 58 and frame[20] == 58 and 133 <= frame[54] <= 137:
        return "ndp"
    return {6: "tcp6", 17: "udp6", 58: "icmp6"}.get(following)


class Wire:
    """The two namespaces; `host` and `guest` are contexts in which sockets and commands belong to one of them."""

    def __init__(self):
        self.guest_ns = new_namespace()
        self.host_ns = new_namespace()
        run("ip", "link", "add", "host", "address", HOST_MAC, "type", "veth", "peer", "name", "guest", "address", GUEST_MAC,
            "netns", f"/proc/{os.getpid()}/fd/{self.guest_ns}")
        for namespace, device, v4, v6 in ((self.host, "host", HOST4, HOST6), (self.guest, "guest", GUEST4, GUEST6)):
            with namespace():
                for name, value in (("router_solicitations", 0), ("dad_transmits", 0), ("mldv2_unsolicited_report_interval", 60000)):
                    sysctl(f"ipv6/conf/{device}/{name}", value)
                sysctl(f"ipv6/conf/{device}/autoconf", 0)
                run("ethtool", "-K", device, "tx", "off", "rx", "off", "gso", "off", "tso", "off")
                run("ip", "addr", "add", f"{v4}/24", "broadcast", "+", "dev", device)
                run("ip", "addr", "add", f"{v6}/64", "dev", device, "nodad")
                run("ip", "link", "set", device, "up")
        with self.host():
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.tap.bind(("host", 0))
            self.tap.setblocking(False)
        self.settle(2.5)

    @contextlib.contextmanager
    def _in(self, namespace):
        checked(libc.setns(namespace, CLONE_NEWNET))
        try:
            yield
        finally:
            checked(libc.setns(self.host_ns, CLONE_NEWNET))

    def host(self):
        return self._in(self.host_ns)

    def guest(self):
        return self._in(self.guest_ns)

    def settle(self, seconds):
        """Lets the wire grow quiet; returns (direction, frame) of all that passed."""
        time.sleep(seconds)
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, address = self.tap.recvfrom(65536)
                frames.append(("<" if address[2] == socket.PACKET_OUTGOING else ">", frame))
        return frames


class Recorder:
    def __init__(self, wire):
        self.wire = wire
        self.blocks = []
        with wire.host():
            self.servers = [self.server(socket.AF_INET, HOST4), self.server(socket.AF_INET6, HOST6)]

    @staticmethod
    def server(family, address):
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.bind((address, PORT))
        server.setblocking(False)
        return server

    def step(self, name, action, *arguments, seconds=0.15, **options):
        """Does something at the guest's end, and keeps what it puts on the wire."""
        with self.wire.guest():
            held = action(*arguments, **options)  # a socket stays open, so that the answer finds somebody
        frames = self.wire.settle(seconds)
        for server in self.servers:  # answers as a kernel does: with the headers that it makes
            with contextlib.suppress(BlockingIOError):
                while True:
                    payload, sender = server.recvfrom(65536)
                    server.sendto(payload, sender)
        frames += self.wire.settle(0.05)
        frames = [(direction, frame) for direction, frame in frames if kind_of(frame) == name.split(":")[0]]
        del held
        if not any(direction == ">" for direction, _ in frames):
            sys.exit(f"record: '{name}' put nothing on the wire")
        self.blocks.append((name, frames))

    def unrecorded(self, action, *arguments, seconds=0.1, **options):
        with self.wire.guest():
            action(*arguments, **options)
        self.wire.settle(seconds)

    def write(self, path):
        release = os.uname().release.split("-")[0]
        with open(path, "w", encoding="ascii") as out:
            out.write(f"Recorded by record.py from Linux {release}. > is to the host, < is what Linux as the host answered.\n")
            for name, frames in self.blocks:
                out.write(f"\n# {name}\n")
                for direction, frame in frames:
                    text = frame.hex()
                    out.write(f"{direction} " + "\n  ".join(text[i:i + 120] for i in range(0, len(text), 120)) + "\n")


def send(address, port=PORT, payload=MESSAGE, options=()):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    for level, option, value in options:
        client.setsockopt(level, option, value)
    client.sendto(payload, (address, port))
    return client


def connect(address):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(0.1)
        with contextlib.suppress(OSError):
            client.connect((address, PORT))


def ping(address, *options):
    run("ping", "-n", "-c", "1", "-W", "0.2", *options, address, may_fail=True)


def arping(*options):
    run("arping", "-q", "-I", "guest", "-c", "1", "-w", "1", *options, may_fail=True)


def forget(address):
    run("ip", "neigh", "flush", "to", address, "dev", "guest")


def know(address, mac):
    run("ip", "neigh", "replace", address, "lladdr", mac, "dev", "guest", "nud", "permanent")


def probe(address):
    """Asks for a neighbour that it knows, at its own address: what Linux does when an entry has grown stale."""
    run("ip", "neigh", "replace", address, "lladdr", HOST_MAC, "dev", "guest", "nud", "probe")


def claim(address, *options):
    run("ip", "addr", "add", address, "dev", "guest", *options)


def leave(address):
    run("ip", "addr", "del", address, "dev", "guest")


def record_arp(r):
    r.step("arp: a request before the first datagram", send, HOST4)
    r.step("arp: a request at a known MAC address", probe, HOST4)
    r.step("arp: arping", arping, HOST4)
    r.step("arp: a probe for our address", arping, "-D", HOST4)
    r.step("arp: a probe for somebody else's", arping, "-D", FREE4)
    r.step("arp: a request for somebody else", arping, FREE4)
    r.step("arp: a gratuitous request of a neighbour", arping, "-U", GUEST4)
    r.step("arp: a gratuitous reply of a neighbour", arping, "-A", GUEST4)
    r.unrecorded(sysctl, "ipv4/conf/guest/arp_notify", 0)
    r.unrecorded(claim, f"{HOST4}/32")
    r.step("arp: a gratuitous request with our address", arping, "-U", HOST4)
    r.step("arp: a gratuitous reply with our address", arping, "-A", HOST4)
    r.unrecorded(leave, f"{HOST4}/32")


def record_neighbours6(r):
    r.unrecorded(forget, HOST6)
    r.step("ndp: a solicitation before the first datagram", send, HOST6)
    r.step("ndp: a solicitation at a known MAC address", probe, HOST6)
    r.unrecorded(sysctl, "ipv6/conf/guest/dad_transmits", 1)
    r.step("ndp: a probe for our address", claim, f"{HOST6}/128", seconds=1.2)
    r.unrecorded(leave, f"{HOST6}/128")
    r.step("ndp: a probe for somebody else's", claim, "2001:db8::77/128", seconds=1.2)
    r.unrecorded(leave, "2001:db8::77/128")
    r.unrecorded(sysctl, "ipv6/conf/guest/dad_transmits", 0)
    r.unrecorded(sysctl, "ipv6/conf/guest/ndisc_notify", 1)
    r.step("ndp: advertisements of a neighbour", announce)
    r.unrecorded(claim, f"{HOST6}/128", "nodad")
    r.step("ndp: advertisements, one of them of our address", announce)
    r.unrecorded(leave, f"{HOST6}/128")
    r.unrecorded(sysctl, "ipv6/conf/guest/ndisc_notify", 0)
    r.step("ndp: a router solicitation", solicit_router)
    for address in (HOST4, HOST6):  # nobody asks any more
        r.unrecorded(know, address, HOST_MAC)


def announce():
    """The same MAC address anew: Linux tells the neighbours about all of its addresses."""
    run("ip", "link", "set", "guest", "address", GUEST_MAC)


def solicit_router():
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        raw.sendto(bytes([133, 0, 0, 0, 0, 0, 0, 0]), ("ff02::2", 0, 0, socket.if_nametoindex("guest")))


def join(group):
    family = socket.AF_INET6 if ":" in group else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as member:
        index = socket.if_nametoindex("guest")
        if family == socket.AF_INET6:
            value = socket.inet_pton(family, group) + struct.pack("@I", index)
            member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, value)
        else:
            value = socket.inet_pton(family, group) + socket.inet_pton(family, GUEST4)
            member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, value)


def record_requests(r):
    ip, ip6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6
    r.step("udp4: one message", send, HOST4)
    r.step("udp4: 22 messages", send, HOST4, payload=MESSAGE * 22)
    r.step("udp4: expedited, ECT(1)", send, HOST4, options=[(ip, socket.IP_TOS, 0xb9)])
    r.step("udp4: may be fragmented", send, HOST4, options=[(ip, 10, 0)])  # IP_MTU_DISCOVER: IP_PMTUDISC_DONT
    r.step("udp4: time to live 1", send, HOST4, options=[(ip, socket.IP_TTL, 1)])
    r.step("udp4: without a checksum", send, HOST4, options=[(socket.SOL_SOCKET, 11, 1)])  # SO_NO_CHECK
    r.step("udp4: with record route", send, HOST4, options=[(ip, socket.IP_OPTIONS, b"\x07\x07\x04\0\0\0\0\0")])
    r.step("udp4: in fragments", send, HOST4, payload=MESSAGE * 40)
    r.step("udp4: a port that nobody serves", send, HOST4, port=9)
    r.step("udp4: nothing in it", send, HOST4, payload=b"")
    r.step("udp4: to the broadcast address", send, "192.0.2.255", options=[(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)])
    r.step("udp4: to a group", send, "224.0.0.251", port=5353,
           options=[(ip, socket.IP_MULTICAST_IF, socket.inet_pton(socket.AF_INET, GUEST4))])
    r.step("udp6: one message", send, HOST6)
    r.step("udp6: 22 messages", send, HOST6, payload=MESSAGE * 22)
    r.step("udp6: expedited, ECT(1)", send, HOST6, options=[(ip6, socket.IPV6_TCLASS, 0xb9)])
    r.step("udp6: with hop-by-hop options", send, HOST6, options=[(ip6, socket.IPV6_HOPOPTS, b"\0\0\x01\x04\0\0\0\0")])
    r.step("udp6: with destination options", send, HOST6, options=[(ip6, socket.IPV6_DSTOPTS, b"\0\0\x01\x04\0\0\0\0")])
    r.step("udp6: in fragments", send, HOST6, payload=MESSAGE * 40)
    r.step("udp6: a port that nobody serves", send, HOST6, port=9)
    r.step("udp6: to a group", send, "ff02::fb%guest", port=5353)
    r.step("tcp4: a connection", connect, HOST4)
    r.step("tcp6: a connection", connect, HOST6)
    r.step("igmp: a report", join, "239.1.2.3")
    r.step("mld: a report", join, "ff02::1:3")


def record_echo(r):
    r.step("icmp4: echo, nothing in it", ping, HOST4, "-s", "0")
    r.step("icmp4: echo", ping, HOST4)
    r.step("icmp4: echo, odd size", ping, HOST4, "-s", "101")
    r.step("icmp4: echo, full size", ping, HOST4, "-s", "1472", "-M", "do")
    r.step("icmp4: echo, class of service", ping, HOST4, "-Q", "0xb8")
    r.step("icmp4: echo with record route", ping, HOST4, "-R")
    r.step("icmp4: echo in fragments", ping, HOST4, "-s", "2000")
    r.step("icmp4: echo to the broadcast address", ping, "192.0.2.255", "-b")
    r.step("icmp6: echo, nothing in it", ping, HOST6, "-s", "0")
    r.step("icmp6: echo", ping, HOST6)
    r.step("icmp6: echo, odd size", ping, HOST6, "-s", "101")
    r.step("icmp6: echo, full size", ping, HOST6, "-s", "1452")
    r.step("icmp6: echo in fragments", ping, HOST6, "-s", "2000")
    r.step("icmp6: echo to all nodes", ping, "ff02::1%guest")


def record_unreachable(r):
    """The host asks for a port that the guest does not serve, and is told so."""
    def ask(address):
        with r.wire.host():
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(MESSAGE, (address, 9))
        checked(libc.setns(r.wire.guest_ns, CLONE_NEWNET))
    for address in (GUEST4, GUEST6):
        run("ip", "neigh", "replace", address, "lladdr", GUEST_MAC, "dev", "host", "nud", "permanent")
    r.step("icmp4: port unreachable", ask, GUEST4)
    r.step("icmp6: port unreachable", ask, GUEST6)


def record_offload(r):
    """What a virtual neighbour sends if it leaves the checksum to a card that does not exist."""
    r.unrecorded(run, "ethtool", "-K", "guest", "tx", "on")
    r.step("udp4: checksum left to the card", send, HOST4)
    r.step("udp6: checksum left to the card", send, HOST6)
    r.unrecorded(run, "ethtool", "-K", "guest", "tx", "off")


def record_bridge(r):
    """Spanning tree: 802.3 frames with a length where the others have a type."""
    def spanning_tree():
        run("ip", "link", "add", "bridge", "type", "bridge", "stp_state", "1", "hello_time", "100")
        run("ip", "link", "set", "guest", "master", "bridge")
        run("ip", "link", "set", "bridge", "up")
    r.step("802.3: a spanning tree's greeting", spanning_tree, seconds=4)
    del r.blocks[-1][1][1:]


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: record.py OUT.hex")
    if os.geteuid() != 0:
        os.execvp("unshare", ["unshare", "--user", "--map-root-user", sys.executable, *sys.argv])
    recorder = Recorder(Wire())
    for record in (record_arp, record_neighbours6, record_requests, record_echo, record_unreachable, record_offload, record_bridge):
        record(recorder)
    recorder.write(sys.argv[1])


if __name__ == "__main__":
    main()
