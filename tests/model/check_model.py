#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Searches the model of the rights protocol (docs/model) completely, and sees that planted bugs are found in it.

    check_model.py [--full] [--only GLOB] [--transcript]

Three kinds of runs, each a configuration of docs/model/rights.pml for SPIN:

  holds    every state within the bounds is visited, and no claim fails. A search that was cut off is a failure.
  breaks   a bug is planted, and a timestamp has to be issued twice: a model that can't find it may be blind.
  reaches  something that a working protocol does is denied, and has to be found: one that refuses everything is safe, too.

--full (or GNOMON_TEST_FULL=1) searches larger configurations, for minutes and with up to 3 GB. --only takes names as the table
has them. --transcript tells, for the runs that end with a counterexample, what happens in it, step by step; a `holds` that fails
always does. Seconds are those of the processor. Everything is made in a temporary folder. Exit status 77 without spin or a C
compiler.
"""

import argparse
import collections
import fnmatch
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile

MODEL = pathlib.Path(__file__).resolve().parents[2] / "docs" / "model" / "rights.pml"
MEMORY_MB, MEMORY_MB_IN_FULL = 1200, 3000
LIMIT_S, LIMIT_S_IN_FULL = 120, 3600  # of processor time, of one program
DEPTH = 5000
LEAST_STATES = 10_000  # of a search that is to be believed

UNIQUE = "ghost_issued"  # stands in the claim that no timestamp is issued twice

Run = collections.namedtuple("Run", "kind name bounds large", defaults=(False,))
Result = collections.namedtuple("Result", "run text states depth memory_mb seconds verdict folder")

# `large`: half a million states or more are worth a compiler that optimises; below, it takes longer than it saves, and with two
# workers minutes.
# Within such bounds every statement of the model has to be taken: one that is not would be a claim about nothing.
EVERY_STEP = "SPOILT_PAGES RESTORE_UNANNOUNCED"

# Bounds that were not named here have the defaults of rights.pml: two hosts with one worker each, one id, three units.
HOLDS = [
    Run("holds", "two hosts, lost answers", "REVISIONS=5 LOST=1 WITHOUT_JOURNAL", True),
    Run("holds", "two hosts, two ids", "REVISIONS=4 LOST=0 IDS=2 UNITS=2 WITHOUT_JOURNAL"),
    Run("holds", "two workers", "HOSTS=1 WORKERS=2 IDS=2 UNITS=2 REVISIONS=4 LOST=0 WITHOUT_JOURNAL"),
    Run("holds", "deaths of one host", "HOSTS=1 STARTS=3 DEATHS=2 REVISIONS=6 LOST=1 SPOILT_PAGES"),
    Run("holds", "deaths among two hosts", "STARTS=2 DEATHS=1 REVISIONS=4 LOST=0 SPOILT_PAGES", True),
    Run("holds", "restore by the book", "REVISIONS=4 LOST=0 UNITS=2 RESTORE_BY_THE_BOOK", True),
    Run("holds", "restore unannounced, one host", f"HOSTS=1 STARTS=2 DEATHS=1 REVISIONS=4 LOST=1 {EVERY_STEP}"),
    Run("holds", "restore unannounced, two hosts", "REVISIONS=4 LOST=0 UNITS=2 RESTORE_UNANNOUNCED"),
]
HOLDS_IN_FULL = [
    Run("holds", "two hosts, lost answers", "REVISIONS=6 LOST=2 LATE=2 WITHOUT_JOURNAL", True),
    Run("holds", "two hosts, many commits", "REVISIONS=7 LOST=0 WITHOUT_JOURNAL", True),
    Run("holds", "two hosts, two ids", "REVISIONS=5 LOST=0 IDS=2 UNITS=2 WITHOUT_JOURNAL", True),
    Run("holds", "two workers", "HOSTS=1 WORKERS=2 IDS=2 UNITS=2 REVISIONS=5 LOST=0 WITHOUT_JOURNAL"),
    Run("holds", "deaths of one host", "HOSTS=1 STARTS=4 DEATHS=3 REVISIONS=8 LOST=1 UNITS=4 SPOILT_PAGES", True),
    Run("holds", "deaths among two hosts", "STARTS=2 DEATHS=1 REVISIONS=5 LOST=0 SPOILT_PAGES", True),
    Run("holds", "restore by the book", "REVISIONS=4 LOST=1 RESTORE_BY_THE_BOOK", True),
    Run("holds", "restore unannounced, one host", f"HOSTS=1 STARTS=2 DEATHS=1 REVISIONS=5 LOST=1 {EVERY_STEP}", True),
    Run("holds", "restore unannounced, two hosts", "REVISIONS=4 LOST=0 RESTORE_UNANNOUNCED", True),
]


def broken(mutation, bounds):
    return Run("breaks", mutation.lower().replace("_", "-"), f"MUTATE_{mutation} ONLY_UNIQUENESS {bounds}")


BREAKS = [
    broken("NO_HANDSHAKE", "REVISIONS=4 LOST=0 UNITS=2 WITHOUT_JOURNAL"),
    broken("RELEASE_BELOW_USE", "HOSTS=1 REVISIONS=4 LOST=0 WITHOUT_JOURNAL"),
    broken("USED_AFTER_RELEASE", "REVISIONS=4 LOST=1 WITHOUT_JOURNAL"),
    broken("UNKNOWN_EXTENSION", "REVISIONS=3 LOST=1 WITHOUT_JOURNAL"),
    broken("FLOOR_NOT_RAISED", "REVISIONS=3 LOST=0 WITHOUT_JOURNAL"),
    broken("RIGHT_NOT_COMPARED", "REVISIONS=4 LOST=0 WITHOUT_JOURNAL"),
    broken("REPLY_BEFORE_USE", "HOSTS=1 STARTS=2 DEATHS=1 REVISIONS=4 LOST=0"),
    broken("RELEASE_OF_THE_LIVING", "REVISIONS=4 LOST=0"),
    broken("SPOILT_PAGE_BELIEVED", "HOSTS=1 STARTS=2 DEATHS=1 REVISIONS=4 LOST=0 SPOILT_PAGES"),
    broken("NO_STORE_COMPARE", "REVISIONS=4 LOST=0 RESTORE_BY_THE_BOOK"),
    broken("FLOOR_KEPT", "REVISIONS=3 LOST=0 UNITS=2 RESTORE_BY_THE_BOOK"),
    broken("RESTORE_UNNOTICED", "HOSTS=1 REVISIONS=4 LOST=0 RESTORE_UNANNOUNCED"),
    broken("SEAL_IGNORED", "REVISIONS=3 LOST=0 UNITS=2 RESTORE_UNANNOUNCED"),
    broken("USED_BEFORE_JOURNAL", "HOSTS=1 STARTS=2 DEATHS=1 REVISIONS=4 LOST=0 RESTORE_UNANNOUNCED"),
    # Assumptions that are stated, and without which it can't be.
    Run("breaks", "assumed: who lost comes first",
        "ANYBODY_FIRST ONLY_UNIQUENESS REVISIONS=3 LOST=0 UNITS=2 RESTORE_UNANNOUNCED"),
    Run("breaks", "assumed: a dead link fails",
        "LISTS_OUTLIVE_THE_STORE ONLY_UNIQUENESS HOSTS=1 STARTS=2 DEATHS=1 REVISIONS=5 LOST=1 RESTORE_UNANNOUNCED"),
]
REACHES = [
    Run("reaches", "issued, released, taken again", "GOAL_TAKEN_AGAIN HOSTS=1 REVISIONS=4 LOST=0 WITHOUT_JOURNAL"),
    Run("reaches", "a lost commit is found", "GOAL_FOUND REVISIONS=4 LOST=1 WITHOUT_JOURNAL"),
    Run("reaches", "an estate is given back", "GOAL_ESTATE HOSTS=1 STARTS=2 DEATHS=1 REVISIONS=4 LOST=0 SPOILT_PAGES"),
    Run("reaches", "issued after a recovery", "GOAL_RECOVERED HOSTS=1 STARTS=2 REVISIONS=4 LOST=0 RESTORE_BY_THE_BOOK"),
    Run("reaches", "sealed, recovered, issued", "GOAL_SEALED HOSTS=1 STARTS=2 REVISIONS=5 LOST=0 RESTORE_UNANNOUNCED"),
]


def call(command, folder, limit_s=LIMIT_S):
    """What the program says; a limit of processor time, since the machine may be busy with other tests."""
    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))

    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          preexec_fn=limit, check=False).stdout


def processor_s():
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def number(pattern, text):
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def search(run, folder, full):
    """Builds the search and runs it to its end, or to the first claim that fails."""
    began = processor_s()
    text = call(["spin", "-a", *(f"-D{word}" for word in run.bounds.split()), MODEL], folder)
    verdict = "spin does not accept the model"
    if (folder / "pan.c").is_file():
        options = ["-O1" if run.large else "-O0", "-w", "-DSAFETY", "-DVECTORSZ=2048", "-DCOLLAPSE" if full else "-DNOCOMP",
                   f"-DMEMLIM={MEMORY_MB_IN_FULL if full else MEMORY_MB}"]
        text = call(["cc", *options, "-o", "pan", "pan.c"], folder)
        verdict = "the search does not compile"
    if (folder / "pan").is_file():
        # -E: the bounds bring every run to a stop somewhere; that is no deadlock.
        hashed = "-w22" if full else "-w20"
        text = call(["./pan", "-E", f"-m{DEPTH}", hashed], folder, LIMIT_S_IN_FULL if full else LIMIT_S)
        verdict = judge(run, text)
    states, depth = (int(number(pattern, text)) for pattern in (r"(\d+) states, stored", r"depth reached (\d+)"))
    memory_mb = number(r"([\d.]+)\s+(?:total actual )?memory usage(?! for)", text)
    return Result(run, text, states, depth, memory_mb, processor_s() - began, verdict, folder)


def judge(run, text):
    """Empty if the search says what it has to say."""
    if "max search depth too small" in text:
        return "not searched completely: too deep"
    failed = re.search(r"^pan:\d+: (.*)$", text, re.M)
    if run.kind == "holds":
        if failed:
            return failed[1]
        if "errors: 0" not in text or "Search not completed" in text:
            return "not searched completely: " + (text.strip().splitlines() or ["it said nothing"])[0]
        untaken = [line.strip() for line in re.findall(r"^\t.*, state \d+, .*$", text, re.M) if '"-end-"' not in line]
        if EVERY_STEP in run.bounds and untaken:
            return "never taken: " + untaken[0]
        states = number(r"(\d+) states, stored", text)
        return "" if states >= LEAST_STATES else f"only {states:.0f} states: the bounds leave nothing to search"
    if not failed:
        return "nothing was found"
    if "assertion violated" not in failed[1]:
        return "not what was looked for: " + failed[1]
    if run.kind == "breaks" and UNIQUE not in failed[1]:
        return "another claim failed: " + failed[1]
    return ""


def transcript(result):
    bounds = [f"-D{word}" for word in result.run.bounds.split()]
    told = call(["spin", "-t", "-T", "-k", "rights.pml.trail", *bounds, MODEL], result.folder)
    for kind, word in (("1", "acquire"), ("2", "extend"), ("3", "release")):
        told = told.replace(f"kind {kind}", word)
    return [line.strip() for line in told.splitlines() if re.match(r"\s+(store|lane|worker|host|the|recovery)\b", line)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--full", action="store_true", help="larger configurations")
    parser.add_argument("--only", default="*", metavar="GLOB", help="only runs of that name")
    parser.add_argument("--transcript", action="store_true", help="tell every counterexample")
    args = parser.parse_args()
    missing = [tool for tool in ("spin", "cc") if shutil.which(tool) is None]
    if missing:
        print(f"the model can't be searched without {' and '.join(missing)} (Debian: spin, gcc)")
        return 77
    full = args.full or os.environ.get("GNOMON_TEST_FULL") == "1"
    runs = [run for run in (HOLDS_IN_FULL if full else HOLDS) + BREAKS + REACHES if fnmatch.fnmatch(run.name, args.only)]
    print(f"{'':7} {'':31} {'states':>10} {'depth':>6} {'MB':>6} {'s':>6}", flush=True)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="gnomon-model.") as top:
        for index, run in enumerate(runs):
            folder = pathlib.Path(top) / str(index)
            folder.mkdir()
            result = search(run, folder, full and run.kind == "holds")
            bad += bool(result.verdict)
            verdict = "WRONG: " + result.verdict if result.verdict else "as it should"
            print(f"{run.kind:7} {run.name:31} {result.states:10} {result.depth:6} {result.memory_mb:6.0f} {result.seconds:6.1f}  "
                  f"{verdict}", flush=True)
            if args.transcript or (result.verdict and run.kind == "holds"):
                for line in transcript(result) if (folder / "rights.pml.trail").is_file() else []:
                    print("          " + line)
            if result.verdict and not result.states:
                print(result.text)
            shutil.rmtree(folder)
    print(f"{len(runs) - bad} of {len(runs)} searches said what they have to say")
    return 0 if runs and bad == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
