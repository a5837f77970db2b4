#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions that requests cost, under callgrind: in oracle/serve, and in frames through a Station.

Each figure is the difference of two runs over the difference of their lengths, so start-up is not in it, less the same
for a loop that only writes the requests. What is left: all of Server::answer, and its share of begin_burst and of opening
units; for frames, all of Station::handle besides.
"""

import pathlib
import re
import subprocess
import sys

LOOP = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("instructions-loop")).resolve()
DATAGRAMS_PER_BURST = 32
SHORT, LONG = 200, 1200  # bursts; both see the same mix of opened units per burst
AIM = 120  # instructions per request, one request per datagram
FRAME_AIMS = {"v4": 320, "v4-port": 170}  # instructions per frame besides
OTHERS = {
    "hlc_update": "hlc_update",
    "now": "now",
    "commit_wait": "commit_wait on a t that has passed",
    "parked": "one-ID request, beside 100,000 parked commit-waits",
}
FRAMES = {
    "v4": "IPv4, checksums by software",
    "v4-port": "IPv4, checksums by the port",
    "v4-vlan": "IPv4 with a VLAN tag, checksums by software",
    "v6": "IPv6, checksums by software",
    "v6-port": "IPv6, checksums by the port",
}


def instructions(mode, bursts, what):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(LOOP), mode, str(bursts), str(what)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    counted = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not counted:
        sys.exit(f"instructions: {' '.join(command)} failed with status {run.returncode}:\n{run.stderr}")
    return int(counted.group(1))


def per_request(mode, what, messages=1):
    """Instructions per request that `mode` spends beyond writing the requests."""
    spent = {m: instructions(m, LONG, what) - instructions(m, SHORT, what) for m in (mode, "feed")}
    return (spent[mode] - spent["feed"]) / ((LONG - SHORT) * DATAGRAMS_PER_BURST * messages)


def main():
    for messages in (1, 22):
        aim = f" (aim: at most {AIM})" if messages == 1 else ""
        each = per_request("answer", messages, messages)
        print(f"{messages:2} one-ID requests per datagram: {each:6.1f} instructions per request{aim}", flush=True)
    print("one request of another kind per datagram:")
    for kind, words in OTHERS.items():
        print(f"  {words + ':':52} {per_request('answer', kind):6.1f} instructions per request", flush=True)
    print("one one-ID request per frame:")
    for kind, words in FRAMES.items():
        whole, server = per_request("answer", kind), per_request("serve", kind)
        aim = f" (aim: at most {FRAME_AIMS[kind]})" if kind in FRAME_AIMS else ""
        print(f"  {words + ':':46} {whole:6.1f} instructions, {whole - server:5.1f} of them around the server{aim}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as error:
        sys.exit(f"instructions: {error.filename} is missing; ./dev bench instructions installs and builds all it needs")
