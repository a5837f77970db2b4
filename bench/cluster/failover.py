#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long etcd takes no write once its leader fails.

    ./dev cluster --no-gnomond --heartbeat-ms 100 --election-ms 1000 --exec 'python3 bench/cluster/failover.py'

A put through another member begins every 20 ms; the outage lasts from the failure until the first of those that began
after it has succeeded. A client that hangs on to the member that failed waits for its own deadline besides.
"""

import http.client
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import threading
import time

import gateway

ROUNDS = 10
PROBE_EVERY_S = 0.02
LIMIT_S = 20
SETTLE_S = 2


def environment(name, host):
    return os.environ[f"GNOMON_CLUSTER_{name}_{host}"]


class Member:
    """An etcd of the cluster, by the number of its host."""

    def __init__(self, number, endpoint):
        self.number, self.endpoint = number, endpoint
        self.pid = int(environment("ETCD_PID", number))
        self.command = pathlib.Path(f"/proc/{self.pid}/cmdline").read_bytes().decode().strip("\0").split("\0")

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def start_again(self):
        log = open(pathlib.Path(os.environ["GNOMON_CLUSTER_FOLDER"]) / str(self.number) / "etcd.log", "ab")
        with log:
            inside = ["nsenter", f"--net=/run/netns/{environment('NAMESPACE', self.number)}"]
            self.pid = subprocess.Popen([*inside, *self.command], stdout=log, stderr=log).pid

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def cut_off(self):
        subprocess.run(["ip", "link", "set", f"host{self.number}", "down"], check=True)

    def plug_in(self):
        subprocess.run(["ip", "link", "set", f"host{self.number}", "up"], check=True)


FAILURES = {"killed": (Member.kill, Member.start_again), "paused": (Member.pause, Member.resume),
            "cut off": (Member.cut_off, Member.plug_in)}


def leader_of(members):
    """Once all members name the same one."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        try:
            said = [gateway.status(member.endpoint) for member in members]
        except (OSError, http.client.HTTPException):
            said = []
        leaders = {each.get("leader") for each in said}
        if len(leaders) == 1 and leaders != {None}:
            leader = leaders.pop()
            return next(m for m, each in zip(members, said) if each["header"]["member_id"] == leader)
        time.sleep(0.1)
    raise SystemExit("the members do not agree on a leader")


def outage(member, fail):
    """Seconds without a write through that member."""
    answered = []

    def probe():
        try:
            gateway.put(member.endpoint, "probe", "x", LIMIT_S)
            answered.append(time.monotonic())
        except (OSError, http.client.HTTPException):
            pass

    fail()
    failed = time.monotonic()
    while not answered:
        if time.monotonic() > failed + LIMIT_S:
            raise SystemExit(f"no write within {LIMIT_S} s")
        threading.Thread(target=probe, daemon=True).start()
        time.sleep(PROBE_EVERY_S)
    return answered[0] - failed


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    members = [Member(number, endpoint) for number, endpoint in enumerate(gateway.endpoints(), 1)]
    for name, (fail, mend) in FAILURES.items():
        taken = []
        for _ in range(rounds):
            leader = leader_of(members)
            other = next(member for member in members if member is not leader)
            outage(other, lambda: None)  # a leader that has just come back may still have to settle
            taken.append(outage(other, lambda chosen=leader, how=fail: how(chosen)))
            mend(leader)
            time.sleep(SETTLE_S)
        print(f"leader {name + ':':9} median {statistics.median(taken) * 1000:5.0f} ms, "
              f"longest {max(taken) * 1000:5.0f} ms of {rounds}", flush=True)


if __name__ == "__main__":
    main()
