#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the registered test programs, and adds up their cases.

`meson test` counts programs; a reader wants to know how many cases passed, which failed, and why any was skipped. So this
reads meson's list of tests and runs the programs itself. Programs run side by side, but those that judge how exact a time is
run one after another on a machine that is quiet by then: the suites ptp and chaos, and who is registered as not parallel.

A gtest program counts by its cases. A program that crashes, hangs or exits non-zero without a failed case adds one failure
to the cases that it had finished. Any other program counts as one case: exit status 0 is a pass, 77 a skip.
The last line is "N passed, N failed, N skipped"; the exit status is 0 only if nothing failed and something passed.
"""

import argparse
import collections
import concurrent.futures
import fcntl
import fnmatch
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree

SUITES = ("unit", "net", "ptp", "control", "sim", "chaos", "phc-guest")
# Run only when they are named: they fetch what no other test needs.
OPT_IN = ("phc-guest",)
ONE_AFTER_ANOTHER = ("ptp", "chaos", "phc-guest")
SKIP_STATUS = 77
DEFAULT_TIMEOUT_S = 120
SANITIZER_SLOWDOWN = 6
SUPPRESSIONS = "tests/thread_sanitizer.supp"
FULL_SLOWDOWN = 20

# Programs that a thread sanitizer can't judge: it sees only code that was compiled with it, and reports races inside a
# library that was not. Pattern of the program's name -> the library.
NOT_UNDER_THREAD_SANITIZER = {
    "control/*service*": "gRPC is not instrumented",
    "control/*etcd*": "gRPC is not instrumented",
    "control/lease_codec_test": "gRPC is not instrumented",
    "control/lease_server_test": "gRPC is not instrumented",
    "control/status_socket_test": "gRPC is not instrumented",
    "client/lease/client_lease_test": "gRPC is not instrumented",
    "client/lease/client_lease_wait_test": "gRPC is not instrumented",
    "client/lease/client_lease_recipes_test": "gRPC is not instrumented",
    "client/lease/client_lease_examples_test": "gRPC is not instrumented",
    "cmd/*": "gRPC is not instrumented",
    "net/*": "runs gnomond, which uses gRPC, and that is not instrumented",
    "fuzz/lease_call_fuzz*": "gRPC is not instrumented",
    "fuzz/status_fuzz*": "gRPC is not instrumented",
    "fuzz/etcd_fuzz*": "gRPC is not instrumented",
    "dataplane/dpdk/*": "DPDK is not instrumented",
    "guest/*": "runs in a machine of its own, whose addresses are randomised",
    "*/*_tbb_test": "oneTBB is not instrumented",
    "oracle/*uniqueness*": "oneTBB is not instrumented",
    "chaos/*judge*": "oneTBB is not instrumented",
    "sim/sim_test": "oneTBB is not instrumented",
}
DAEMON = "cmd/gnomond"

Program = collections.namedtuple("Program", "name suite command gtest serial timeout_s env workdir targets")


class Outcome:
    """What one program did: cases passed, and (case, words) for each failure and each skip."""

    def __init__(self, program):
        self.program = program
        self.passed = 0
        self.failures = []
        self.skips = []
        self.notes = []
        self.seconds = 0.0


# --- the list of programs ------------------------------------------------------------------------------------------------


def load_programs(build_dir, source_dir):
    info = build_dir / "meson-info"
    targets = {t["id"]: t for t in json.loads((info / "intro-targets.json").read_text())}
    programs = []
    for test in json.loads((info / "intro-tests.json").read_text()):
        suites = [s.split(":", 1)[-1] for s in test["suite"]]
        if len(suites) != 1 or suites[0] not in SUITES:
            sys.exit(f"test '{test['name']}' must be registered under one suite of {', '.join(SUITES)}; it has {suites}")
        needed = [f for t in test["depends"] if t in targets for f in targets[t]["filename"]]
        programs.append(Program(
            name=program_name(test, build_dir, source_dir),
            suite=suites[0],
            command=test["cmd"],
            gtest=test["protocol"] == "gtest",
            serial=suites[0] in ONE_AFTER_ANOTHER or not test["is_parallel"],
            timeout_s=test["timeout"] if test["timeout"] > 0 else DEFAULT_TIMEOUT_S,
            env=test["env"],
            workdir=test["workdir"],
            targets=[os.path.relpath(f, build_dir) for f in needed]))
    return sorted(programs, key=lambda p: p.name)


def program_name(test, build_dir, source_dir):
    """The folder under tests/ and the registered name: oracle/generator_test."""
    for word in test["cmd"]:
        path = (build_dir / word).resolve()
        for base in (build_dir, source_dir):
            if base / "tests" in path.parents:
                return str(path.parent.relative_to(base / "tests") / test["name"])
    return test["name"]


def choose(programs, suites, pattern):
    """The programs to run, and a gtest filter (or None)."""
    chosen = [p for p in programs if (p.suite in suites if suites else p.suite not in OPT_IN)]
    if pattern is None:
        return chosen, None
    named = [p for p in chosen if fnmatch.fnmatch(p.name, pattern) or fnmatch.fnmatch(p.name.split("/")[-1], pattern)]
    return (named, None) if named else ([p for p in chosen if p.gtest], pattern)


def thread_sanitizer_objection(program):
    if DAEMON in program.targets:
        return "runs gnomond, which uses gRPC, and that is not instrumented"
    for pattern, reason in NOT_UNDER_THREAD_SANITIZER.items():
        if fnmatch.fnmatch(program.name, pattern):
            return reason
    return None


# --- running one program ---------------------------------------------------------------------------------------------------


class Runner:
    def __init__(self, args):
        self.args = args
        self.logs = args.build_dir / "test-logs"
        self.prefix = thread_sanitizer_prefix() if args.sanitize == "thread" else []
        self.slowdown = (SANITIZER_SLOWDOWN if args.sanitize or args.instrumented else 1) * (FULL_SLOWDOWN if args.full else 1)
        self.groups = set()
        self.stopping = False
        self.lock = threading.RLock()

    def run(self, program, gtest_filter):
        outcome = Outcome(program)
        stem = self.logs / program.name
        stem.parent.mkdir(parents=True, exist_ok=True)
        log, report = stem.with_suffix(".log"), stem.with_suffix(".xml")
        report.unlink(missing_ok=True)
        command = self.prefix + program.command
        if program.gtest:
            command = command + [f"--gtest_output=xml:{report}", "--gtest_color=no"]
            if gtest_filter:
                command.append(f"--gtest_filter={gtest_filter}")
        scratch = tempfile.mkdtemp(prefix="gnomon-test.")
        started = time.monotonic()
        try:
            ending = self.execute(command, program, log, scratch, outcome)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        outcome.seconds = time.monotonic() - started
        if program.gtest:
            count_cases(outcome, report, log, ending)
        else:
            count_exit_status(outcome, log, ending)
        return outcome

    def execute(self, command, program, log, scratch, outcome):
        """Returns None for exit status 0, else the number of the status or words for another ending."""
        timeout_s = program.timeout_s * self.slowdown
        with open(log, "wb") as out:
            with self.lock:
                if self.stopping:
                    return "not started: interrupted"
                try:
                    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                             cwd=program.workdir or self.args.source_dir,
                                             env=self.environment(program, scratch), start_new_session=True)
                except OSError as error:
                    return f"could not be started: {error}"
                self.groups.add(child.pid)
            try:
                status = child.wait(timeout_s)
                ending = None if status == 0 else status if status > 0 else f"killed by {signal_name(-status)}"
            except subprocess.TimeoutExpired:
                ending = f"still running after {timeout_s} s, killed"
            left = kill_group(child.pid)
            child.wait()
            with self.lock:
                self.groups.discard(child.pid)
        if left and not isinstance(ending, str):
            outcome.notes.append("left processes of its own running; they were killed")
        return ending

    def environment(self, program, scratch):
        env = dict(os.environ)
        env.update(program.env)
        env.update({
            "GNOMON_BUILD_DIR": str(self.args.build_dir),
            "GNOMON_SOURCE_DIR": str(self.args.source_dir),
            "TMPDIR": scratch,
            "TEST_TMPDIR": scratch,
            # What clang names lines with (llvm-symbolizer) Debian packs elsewhere; addr2line is there.
            "ASAN_OPTIONS": "allow_addr2line=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:allow_addr2line=1",
            "TSAN_OPTIONS": f"halt_on_error=1:second_deadlock_stack=1:suppressions={self.args.source_dir / SUPPRESSIONS}",
        })
        env.pop("GNOMON_TEST_FULL", None)
        if self.args.full:
            env["GNOMON_TEST_FULL"] = "1"
        return env

    def stop(self):
        """Kills what runs, and lets nothing else start."""
        with self.lock:
            self.stopping = True
            for group in self.groups:
                kill_group(group)


def kill_group(group):
    """Kills what is left of a process group; true if something other than a zombie was."""
    try:
        alive = subprocess.run(["pgrep", "--pgroup", str(group), "--runstates", "D,R,S,T,t,I"],
                               stdout=subprocess.DEVNULL, check=False).returncode == 0
        os.killpg(group, signal.SIGKILL)
        return alive
    except (ProcessLookupError, PermissionError):
        return False


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def thread_sanitizer_prefix():
    """g++ 12's thread sanitizer dies at start under today's address-space randomisation, so switch that off if allowed."""
    prefix = ["setarch", "-R"]
    works = shutil.which("setarch") and subprocess.run(prefix + ["true"], capture_output=True, check=False).returncode == 0
    return prefix if works else []


# --- counting ----------------------------------------------------------------------------------------------------------------


def count_cases(outcome, report, log, ending):
    try:
        cases = xml.etree.ElementTree.parse(report).getroot().iter("testcase")
    except (OSError, xml.etree.ElementTree.ParseError):
        count_unfinished(outcome, log, ending)
        return
    for case in cases:
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.get("status") == "notrun":
            outcome.skips.append((name, "disabled in the source"))
        elif case.find("failure") is not None:
            outcome.failures.append((name, "\n".join(f.get("message", "") for f in case.findall("failure"))))
        elif case.get("result") == "skipped" or case.find("skipped") is not None:
            outcome.skips.append((name, skip_reason(case.find("skipped"))))
        else:
            outcome.passed += 1
    if ending is not None and not outcome.failures:
        outcome.failures.append(("(the program)", f"{words(ending)} although no case failed\n{tail(log)}"))


def skip_reason(element):
    text = element.get("message", "") if element is not None else ""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not re.match(r"\S+:\d+$", line.strip())]
    return " ".join(lines) or "no reason given"


def count_unfinished(outcome, log, ending):
    """A program that never wrote its report: what it had printed until then, and one failure."""
    text = log.read_text(errors="replace")
    outcome.passed += len(re.findall(r"^\[       OK \] ", text, re.M))
    for name in re.findall(r"^\[  FAILED  \] (\S+) \(\d+ ms\)$", text, re.M):
        outcome.failures.append((name, ""))
    started = re.findall(r"^\[ RUN      \] (\S+)", text, re.M)
    finished = set(re.findall(r"^\[ (?:      OK|  FAILED | SKIPPED) \] (\S+)", text, re.M))
    culprit = started[-1] if started and started[-1] not in finished else "(the program)"
    outcome.failures.append((culprit, f"{words(ending)}\n{tail(log)}"))


def count_exit_status(outcome, log, ending):
    if ending is None:
        outcome.passed = 1
    elif ending == SKIP_STATUS:
        lines = log.read_text(errors="replace").strip().splitlines()
        outcome.skips.append(("(the program)", lines[-1] if lines else "no reason given"))
    else:
        outcome.failures.append(("(the program)", f"{words(ending)}\n{tail(log)}"))


def words(ending):
    return "wrote no report" if ending is None else f"exit status {ending}" if isinstance(ending, int) else ending


def tail(log, lines=40):
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


# --- reporting -----------------------------------------------------------------------------------------------------------------


def show(outcome):
    program = outcome.program
    counts = f"{outcome.passed} passed"
    if outcome.failures:
        counts += f", {len(outcome.failures)} FAILED"
    if outcome.skips:
        counts += f", {len(outcome.skips)} skipped"
    print(f"{program.suite:8} {program.name:44} {counts} ({outcome.seconds:.1f} s)")
    for note in outcome.notes:
        print(f"  note: {note}")
    for case, text in outcome.failures:
        print(f"  failed: {case}")
        for line in text.splitlines():
            print(f"    {line}")
    sys.stdout.flush()


def summarise(outcomes):
    failures = [(o.program.name, case) for o in outcomes for case, _ in o.failures]
    skips = [(o.program.name, case, reason) for o in outcomes for case, reason in o.skips]
    print()
    for name, case, reason in skips:
        print(f"skipped: {name} {case}: {reason}")
    for name, case in failures:
        print(f"failed: {name} {case}")
    return close(sum(o.passed for o in outcomes), len(failures), len(skips))


def close(passed, failed, skipped):
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 0 if failed == 0 and passed > 0 else 1


# --- main ------------------------------------------------------------------------------------------------------------------------


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description="Builds and runs the registered tests.", allow_abbrev=False)
    parser.add_argument("--source-dir", type=pathlib.Path, required=True)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--suite", action="append", choices=SUITES, default=[])
    parser.add_argument("--filter", metavar="GLOB")
    parser.add_argument("--sanitize", choices=("address", "thread"))
    parser.add_argument("--instrumented", action="store_true", help="the build counts lines, which takes time")
    parser.add_argument("--full", action="store_true")
    return parser.parse_args(argv)


def build(args, programs):
    """True if all of the programs could be built."""
    targets = sorted({t for p in programs for t in p.targets})
    if not targets:
        return True
    command = ["ninja", "-C", args.build_dir, *targets]
    with open(args.build_dir.parent / "lock", "w", encoding="utf-8") as lock:  # the lock of ./dev: one ninja at a time
        fcntl.flock(lock, fcntl.LOCK_EX)
        if sys.stdout.isatty():
            return subprocess.run(command, check=False).returncode == 0
        done = subprocess.run([*command, "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout.replace("ninja: no work to do.\n", ""), end="")
    return done.returncode == 0


def without_uninstrumented(programs):
    """The programs that the thread sanitizer can judge, and the outcomes of the others: one skip each."""
    kept, excluded = [], []
    for program in programs:
        reason = thread_sanitizer_objection(program)
        if reason is None:
            kept.append(program)
        else:
            excluded.append(Outcome(program))
            excluded[-1].skips.append(("(the program)", f"not under the thread sanitizer: {reason}"))
    return kept, excluded


def ran_nothing(outcome):
    return not (outcome.passed or outcome.failures or outcome.skips)


def run_all(runner, programs, gtest_filter):
    outcomes = []

    def finished(outcome):
        if not (gtest_filter and ran_nothing(outcome)):
            show(outcome)
        outcomes.append(outcome)

    pool = concurrent.futures.ThreadPoolExecutor((os.cpu_count() or 1) + 1)  # they wait for others more than they compute
    try:
        beside = sorted((p for p in programs if not p.serial), key=lambda p: -p.timeout_s)  # the longest begin first
        running = [pool.submit(runner.run, p, gtest_filter) for p in beside]
        for future in concurrent.futures.as_completed(running):
            finished(future.result())
        for program in programs:
            if program.serial:
                finished(runner.run(program, gtest_filter))
    except KeyboardInterrupt:
        runner.stop()
        raise
    finally:
        pool.shutdown()
    return outcomes


def main(argv):
    args = parse_arguments(argv)
    args.source_dir, args.build_dir = args.source_dir.resolve(), args.build_dir.resolve()
    programs, gtest_filter = choose(load_programs(args.build_dir, args.source_dir), args.suite, args.filter)
    empty = [s for s in args.suite if not any(p.suite == s for p in programs)]
    if empty:
        print(f"nothing to run in the suite {', '.join(empty)}" + (f" under the filter {args.filter}" if args.filter else ""))
        return close(0, 0, 0)

    excluded = []
    if args.sanitize == "thread":
        programs, excluded = without_uninstrumented(programs)
    if not build(args, programs):
        print("the tests could not be built")
        return close(0, 1, 0)

    runner = Runner(args)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        outcomes = run_all(runner, programs, gtest_filter)
    except KeyboardInterrupt:
        print("interrupted; what was running has been killed")
        return 130
    if all(ran_nothing(o) for o in outcomes):
        print("no test ran" + (f": nothing matches {args.filter}" if args.filter else ""))
    return summarise(excluded + outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
