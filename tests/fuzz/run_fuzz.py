#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a libFuzzer target on its seeds for a while: five seconds, or ten minutes where tests run in full.

    run_fuzz.py CORPUS [FUZZER] [--seconds N] [--seed N]       FUZZER as seen from the build folder

New inputs go to a folder that is thrown away; one that breaks something is kept, and shown. Exit status 77, a skip, if
there is no fuzzer, because the build found no clang for it.
"""

import argparse
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

MISSING = "no fuzzer was built: it needs clang++-19 and its runtime (Debian: clang-19 libclang-rt-19-dev)"
SECONDS, SECONDS_IN_FULL = 5, 600
SEED = 20261124
LEAST_RUNS = 100  # fewer would mean that it was busy with something else; the slowest target makes some hundred a second
LONGEST = 6144  # of an input; each target passes over what is too long for it


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description="Runs one fuzzer.", allow_abbrev=False)
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("fuzzer", nargs="?")
    # A test is the same every time; whoever says for how long has run that already.
    parser.add_argument("--seed", type=int)
    full = os.environ.get("GNOMON_TEST_FULL") == "1"
    parser.add_argument("--seconds", type=int)
    args = parser.parse_args(argv)
    args.seed = args.seed or (random.randrange(1, 2**31) if args.seconds else SEED)
    args.seconds = args.seconds or (SECONDS_IN_FULL if full else SECONDS)
    return args


def main(argv):
    args = parse_arguments(argv)
    if args.fuzzer is None:
        print(MISSING)
        return 77
    fuzzer = pathlib.Path(os.environ.get("GNOMON_BUILD_DIR", ".")).resolve() / args.fuzzer
    kept = fuzzer.parent / "found" / args.corpus.name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gnomon-fuzz.") as fresh:
        command = [fuzzer, f"-max_total_time={args.seconds}", f"-max_len={LONGEST}", "-timeout=20", "-print_final_stats=1",
                   f"-seed={args.seed}", f"-artifact_prefix={kept}/", fresh, args.corpus]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode(errors="replace")
    print(text)
    if done.returncode != 0:
        print(f"{fuzzer.name} ended with status {done.returncode}; what it found is in {kept}")
        return 1
    runs = re.search(r"stat::number_of_executed_units:\s+(\d+)", text)
    if not runs or int(runs[1]) < LEAST_RUNS:
        print(f"the fuzzer ran hardly at all, fewer than {LEAST_RUNS} times")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
