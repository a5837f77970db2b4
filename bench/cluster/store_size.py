#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What gnomond's writes cost etcd in bytes: memory of its database, log on its disk.

    ./dev cluster --no-gnomond --hosts 1 --exec 'python3 bench/cluster/store_size.py'

It writes what 32 daemons with a window of 10 s and one machine id each write in ten minutes, as fast as it goes: a
session a second, and an extension each third of the window. The values look like those of oracle/lease/session.hpp
and stored_right.hpp.
"""

import concurrent.futures
import os
import pathlib
import secrets
import sys

import gateway

DAEMONS = 32
HEARTBEATS_PER_MINUTE = 60
EXTENSIONS_PER_MINUTE = 18
MINUTES = 10
MINUTES_PER_DAY = 24 * 60
THREADS = 8


NOW = 1_800_000_000_000_000_000


def session(incarnation):
    value = (f"session 1 nonce={secrets.token_hex(16)} standing=member seen=1234567890 ordering_earliest={NOW} "
             f"ordering_latest={NOW} truth=known earliest={NOW} latest={NOW} holder=server-17 main, pid 1234567")
    return f"gnomon/session/{incarnation}", value


def window(machine):
    value = f"window 1 nonce={secrets.token_hex(16)} state=held floor={NOW} ceiling={NOW} token={NOW}"
    return f"gnomon/right/m/{machine:05}/window", value


def write(endpoint, daemon):
    incarnation = secrets.token_hex(16)
    for minute_part in range(MINUTES * (HEARTBEATS_PER_MINUTE + EXTENSIONS_PER_MINUTE)):
        is_session = minute_part % (HEARTBEATS_PER_MINUTE + EXTENSIONS_PER_MINUTE) < HEARTBEATS_PER_MINUTE
        gateway.put(endpoint, *(session(incarnation) if is_session else window(daemon)), limit_s=30)


def database(endpoint):
    said = gateway.status(endpoint)
    return int(said["dbSize"]), int(said["dbSizeInUse"]), int(said["header"]["revision"])


def written_log():
    """Bytes that etcd has handed to its disk."""
    lines = pathlib.Path(f"/proc/{os.environ['GNOMON_CLUSTER_ETCD_PID_1']}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def main():
    endpoint = gateway.endpoints()[0]
    before, log_before = database(endpoint), written_log()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(write, endpoint, daemon) for daemon in range(DAEMONS)]:
            done.result()
    after = database(endpoint)
    revisions, grown = after[2] - before[2], after[1] - before[1]
    per_minute = revisions / MINUTES
    print(f"{revisions} revisions, those of {DAEMONS} daemons in {MINUTES} minutes: {per_minute / 60:.0f} a second, "
          f"{per_minute * MINUTES_PER_DAY / 1e6:.1f} million a day")
    print(f"database {after[0] / 1e6:.1f} MB, {grown / revisions:.0f} bytes a revision; without compaction it would "
          f"grow by {grown / MINUTES * MINUTES_PER_DAY / 1e9:.1f} GB a day")
    print(f"handed to the disk: {(written_log() - log_before) / 1e6:.0f} MB")
    gateway.call(endpoint, "/v3/kv/compaction", {"revision": after[2], "physical": True}, limit_s=60)
    compacted = database(endpoint)
    print(f"after a compaction {compacted[1] / 1e6:.2f} MB of {compacted[0] / 1e6:.1f} MB are in use; the rest is "
          "used again")


if __name__ == "__main__":
    sys.exit(main())
