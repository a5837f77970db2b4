#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/protocol-vectors.json: messages in hex, field by field, with the verdict that a reader must reach.

It shares no code with the library, not even the hash, so that the vectors check the library and not themselves.
Run it after a change of docs/protocol.md:  tests/oracle/wire/make_vectors.py > docs/protocol-vectors.json
"""

import json
import pathlib
import struct
import sys

FIELDS = ("magic", "version", "op", "flags", "status", "request_id", "a", "b", "count", "stride", "epsilon_ns",
          "machine_id", "format", "token_low", "remaining_ms", "key_id", "tag")
FORMAT = "<IBBBBQQQIIIHHIHHQ"
KEY_ID = 7
KEY = bytes(range(16))
REQUEST_ID = 0x0123456789ABCDEF
EXAMPLE_ID = 396814713251434496  # machine 1, sequence 0, 2024-01-01T00:00:00.100Z
EARLIEST = 1704067237100000000  # TAI: 2024-01-01T00:00:00.100Z
STATUSES = ("ok", "not_leased", "not_holder", "clock_unsynchronised", "clock_behind", "busy", "too_far", "bad_format",
            "bad_count", "unauthorised")


def siphash24(key, data):
    mask = (1 << 64) - 1
    rotate = lambda x, n: ((x << n) | (x >> (64 - n))) & mask
    k0, k1 = struct.unpack("<QQ", key)
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])

    def rounds(n):
        nonlocal v0, v1, v2, v3
        for _ in range(n):
            v0 = (v0 + v1) & mask; v1 = rotate(v1, 13) ^ v0; v0 = rotate(v0, 32)
            v2 = (v2 + v3) & mask; v3 = rotate(v3, 16) ^ v2
            v0 = (v0 + v3) & mask; v3 = rotate(v3, 21) ^ v0
            v2 = (v2 + v1) & mask; v1 = rotate(v1, 17) ^ v2; v2 = rotate(v2, 32)

    for (word,) in struct.iter_unpack("<Q", padded):
        v3 ^= word
        rounds(2)
        v0 ^= word
    v2 ^= 0xFF
    rounds(4)
    return v0 ^ v1 ^ v2 ^ v3


def message(**fields):
    full = dict.fromkeys(FIELDS, 0)
    full.update(magic=0x314F4E47, version=1, request_id=REQUEST_ID)
    full.update(fields)
    return full


def packed(fields):
    return struct.pack(FORMAT, *(fields[name] for name in FIELDS))


def signed(fields):
    fields = dict(fields, flags=fields["flags"] | 1, key_id=KEY_ID)
    return dict(fields, tag=siphash24(KEY, packed(fields)[:56]))


def vector(name, kind, verdict, fields, note):
    # 64-bit numbers travel as text: many JSON readers keep 53 bits.
    return {"name": name, "kind": kind, "verdict": verdict, "note": note, "hex": packed(fields).hex(),
            "fields": {k: str(v) for k, v in fields.items()}}


PING = message(op=1, a=0xFEEDFACE)
NEXT_ID = message(op=2, count=1, format=1)
NOW = message(op=6)
TIME = dict(a=EARLIEST, b=EARLIEST + 9001, epsilon_ns=4501)
HLC = (EARLIEST // 1000000) << 18
OK = message(op=2, flags=0x80, a=EXAMPLE_ID, count=1, stride=1, machine_id=1, format=1, token_low=42, remaining_ms=9500)


def valid_vectors():
    yield vector("ping", "request", "valid", PING, "a is echoed")
    yield vector("ping_reply", "reply", "valid",
                 message(op=1, flags=0x80, a=0xFEEDFACE, b=0x1122334455667788, machine_id=1, token_low=42, remaining_ms=9500),
                 "b is the incarnation of the daemon")
    yield vector("next_id", "request", "valid", NEXT_ID, "one ID of layout 1")
    yield vector("next_id_range", "request", "valid", dict(NEXT_ID, count=1000), "up to 1000 IDs of layout 1")
    yield vector("next_id_reply", "reply", "valid", OK, "the example of primitives.md 2.2, as corrected")
    yield vector("next_id_range_reply", "reply", "valid", dict(OK, count=612), "fewer than asked: the unit was used up")
    yield vector("hlc_update", "request", "valid", message(op=4, a=HLC + 6), "a: the value that came with a message")
    yield vector("hlc_update_reply", "reply", "valid", message(op=4, flags=0x80, a=HLC + 7), "larger than the argument")
    yield vector("hlc_update_local", "request", "valid", message(op=4), "a is 0: there was no message")
    yield vector("now", "request", "valid", NOW, "uses no field")
    yield vector("now_reply", "reply", "valid", message(op=6, flags=0x80, **TIME),
                 "the true time lies from a to b; epsilon_ns is half of that, rounded up")
    yield vector("commit_wait", "request", "valid", message(op=7, a=EARLIEST - 1), "t is the last instant before a of now_reply")
    yield vector("commit_wait_reply", "reply", "valid", message(op=7, flags=0x80, **TIME), "a is larger than t")
    yield vector("time_sync", "request", "valid", message(op=8, a=0x1122334455667788), "a is not looked at")
    yield vector("time_sync_reply", "reply", "valid", message(op=8, flags=0x80, **TIME), "as now_reply")
    for status, name in enumerate(STATUSES):
        if status in (0, 2):
            continue  # not sent by the operations of this version
        count = {4: 250000, 5: 2700, 8: 4096}.get(status, 0)
        fields = message(op=7) if status == 6 else message(op=2, format=1)
        yield vector(f"refused_{name}", "reply", "valid", dict(fields, flags=0x80, status=status, count=count),
                     "count: retry after us" if status in (4, 5) else "count: the maximum" if status == 8 else "no value")
    yield vector("signed_ping", "request", "valid", signed(PING), "key 7")
    yield vector("signed_next_id", "request", "valid", signed(NEXT_ID), "key 7")
    yield vector("signed_next_id_reply", "reply", "valid", signed(OK), "key 7: the key of the request")


def invalid_requests():
    cases = (
        ("magic", dict(NEXT_ID, magic=0x324F4E47), "begins with GNO2"),
        ("version", dict(NEXT_ID, version=2), "a version that is not spoken"),
        ("reply", OK, "a reply sent as a request"),
        ("flags", dict(NEXT_ID, flags=2), "an unknown flag"),
        ("op", dict(NEXT_ID, op=0), "no operation"),
        ("op", dict(NEXT_ID, op=5, count=0, format=0), "tso: reserved, not served by this version"),
        ("op", dict(NEXT_ID, op=3), "next_id128: reserved"),
        ("op", dict(NEXT_ID, op=9), "unknown"),
        ("status", dict(NEXT_ID, status=5), "a request carries no status"),
        ("field_not_zero", dict(NEXT_ID, a=1), "next_id does not use a"),
        ("field_not_zero", dict(NEXT_ID, machine_id=1), "the client can't choose the machine id"),
        ("field_not_zero", dict(PING, count=1), "ping does not use count"),
        ("field_not_zero", dict(NOW, a=1), "now does not use a"),
        ("field_not_zero", message(op=4, b=1), "hlc_update does not use b"),
        ("field_not_zero", message(op=7, a=EARLIEST, epsilon_ns=1), "a request has no epsilon"),
        ("field_not_zero", message(op=8, format=1), "time_sync does not use format"),
        ("field_not_zero", dict(NEXT_ID, tag=1), "a tag without the flag"),
        ("field_not_zero", dict(NEXT_ID, key_id=7), "a key id without the flag"),
    )
    for number, (verdict, fields, note) in enumerate(cases, 1):
        yield vector(f"invalid_request_{number}_{verdict}", "request", verdict, fields, note)


def invalid_replies():
    cases = (
        ("magic", dict(OK, magic=0), "foreign"),
        ("version", dict(OK, version=2), "a version that is not spoken"),
        ("reply", NEXT_ID, "a request where a reply belongs"),
        ("flags", dict(OK, flags=0xC0), "an unknown flag"),
        ("op", dict(OK, op=0), "no operation"),
        ("status", dict(OK, status=10), "an unknown status"),
        ("field_not_zero", dict(OK, tag=1), "a tag without the flag"),
    )
    for number, (verdict, fields, note) in enumerate(cases, 1):
        yield vector(f"invalid_reply_{number}_{verdict}", "reply", verdict, fields, note)


def document():
    vectors = [*valid_vectors(), *invalid_requests(), *invalid_replies()]
    hashes = [{"key": KEY.hex(), "data": bytes(range(n)).hex(), "hash": str(siphash24(KEY, bytes(range(n))))}
              for n in (0, 1, 7, 8, 15, 55, 56, 63)]
    lines = lambda items: ",\n  ".join(json.dumps(item) for item in items)
    return (f'{{"written_by": "tests/oracle/wire/make_vectors.py",\n "key": {{"id": "{KEY_ID}", "hex": "{KEY.hex()}"}},\n'
            f' "messages": [\n  {lines(vectors)}],\n "siphash24": [\n  {lines(hashes)}]}}\n')


def main():
    if sys.argv[1:2] != ["--check"]:
        print(document(), end="")
    elif pathlib.Path(sys.argv[2]).read_text() != document():
        sys.exit(f"{sys.argv[2]} is not what this program writes; run: {sys.argv[0]} > docs/protocol-vectors.json")


if __name__ == "__main__":
    main()
