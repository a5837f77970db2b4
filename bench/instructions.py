#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions that one-ID requests cost in oracle/serve, under callgrind.

Each figure is the difference of two runs over the difference of their lengths, so start-up is not in it, less the same
for a loop that only writes the requests. What is left: all of Server::answer, and its share of begin_burst and of opening
units.
"""

import pathlib
import re
import subprocess
import sys

LOOP = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("instructions-loop")).resolve()
DATAGRAMS_PER_BURST = 32
SHORT, LONG = 200, 1200  # bursts; both see the same mix of opened units per burst
AIM = 120  # instructions per request, one request per datagram


def instructions(mode, bursts, messages):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(LOOP), mode, str(bursts), str(messages)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    counted = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not counted:
        sys.exit(f"instructions: {' '.join(command)} failed with status {run.returncode}:\n{run.stderr}")
    return int(counted.group(1))


def main():
    for messages in (1, 22):
        spent = {mode: instructions(mode, LONG, messages) - instructions(mode, SHORT, messages) for mode in ("answer", "feed")}
        each = (spent["answer"] - spent["feed"]) / ((LONG - SHORT) * DATAGRAMS_PER_BURST * messages)
        aim = f" (aim: at most {AIM})" if messages == 1 else ""
        print(f"{messages:2} one-ID requests per datagram: {each:6.1f} instructions per request{aim}")


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as error:
        sys.exit(f"instructions: {error.filename} is missing; ./dev bench instructions installs and builds all it needs")
