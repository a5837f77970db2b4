#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Changes one small thing at a time in what gnomon's promises rest on, and sees whether the tests notice.

Coverage says which lines the tests run; it does not say whether they look at what the lines do. A mutant that no test notices is
either a gap in the tests or no change at all, and somebody has to say which. mutants.py says what is changed, areas.py which
programs have to notice, file_trial.py how the mutants of a source are tried, records.py what is remembered.

Exit status: 0 if every survivor is accepted (accepted.toml), 1 if one is not, 2 usage.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import pathlib
import queue
import random
import shutil
import signal
import sys
import threading
import time

import areas
import report
import trial
from build_plan import BuildPlan
from file_trial import FileTrial
from mutants import mutants_of
from records import Accepted, Verdicts, identity, record_of

DEFAULT_SAMPLE = 60


def candidates(root, patterns):
    """[(path, text, mutant)] of all files that belong to an area and match, in their order."""
    found = []
    for folder in ("oracle", "ptp", "control"):
        for file in sorted((root / folder).rglob("*.?pp")):
            path = str(file.relative_to(root))
            if areas.programs_for(path) and (not patterns or any(fnmatch.fnmatch(path, p) for p in patterns)):
                text = file.read_text()
                found += [(path, text, mutant) for mutant in mutants_of(text)]
    return found


def choose(args, all_of_them, verdicts):
    """The mutants of this run."""
    known = {identity(record): record for record in verdicts}
    if args.survivors:
        return [c for c in all_of_them if known.get(identity(record_of(*c)), {}).get("verdict") == "survived"]
    chosen = all_of_them
    if not args.all:
        drawn = random.Random(args.seed).sample(range(len(chosen)), min(args.sample, len(chosen)))
        chosen = [chosen[i] for i in sorted(drawn)]
    return chosen if args.again else [c for c in chosen if identity(record_of(*c)) not in known]


class Run:
    """Tries mutants, several side by side."""

    def __init__(self, args, verdicts):
        self.args, self.verdicts = args, verdicts
        self.scratch = args.build_dir.parent / "mutation" / f"scratch.{os.getpid()}"
        self.plan = BuildPlan(args.source_dir, args.build_dir, self.scratch)
        self.lock = threading.Lock()
        self.done = 0
        self.stopping = False

    def prepare(self, chosen):
        """Builds and measures each program that is needed, without a mutant."""
        programs = list(dict.fromkeys(p for path, _, _ in chosen for p in areas.programs_for(path)))
        self.plan.build(sorted({p.target for p in programs}))
        limits = {}
        for program in programs:
            self.plan.taken(program.target)
            limits[program], cpu_s = trial.measure(self.plan, program, self.scratch / "tmp")
            print(f"{program.target} {' '.join(program.arguments)}: {cpu_s:.1f} s", flush=True)
        return limits

    def run(self, chosen):
        limits = self.prepare(chosen)
        benches = queue.SimpleQueue()
        for n in range(self.args.jobs):
            benches.put(trial.Bench(self.plan, self.scratch / str(n), limits))

        def one(path):
            text = next(t for p, t, _ in chosen if p == path)
            bench = benches.get()
            try:
                def note(mutant, verdict, how):
                    self.note(record_of(path, text, mutant, verdict, how), len(chosen))

                file = FileTrial(bench, path, text, [m for p, _, m in chosen if p == path], areas.programs_for(path), note)
                file.stopping = self.is_over
                file.run()
            finally:
                benches.put(bench)

        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            try:
                for future in concurrent.futures.as_completed([pool.submit(one, path) for path in dict.fromkeys(p for p, _, _ in chosen)]):
                    future.result()
            except BaseException:
                self.stopping = True  # those that were begun are finished
                raise

    def is_over(self):
        return self.stopping or (self.args.until and time.time() > self.args.until)

    def note(self, record, of):
        with self.lock:
            self.done += 1
            self.verdicts.add(record)
            how = f" by {record['how']}" if record["how"] else ""
            print(f"{self.done}/{of} {record['path']}:{record['line']}: {record['change'][:90]}: {record['verdict']}{how}",
                  flush=True)

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)


def parse_arguments(argv):
    parser = argparse.ArgumentParser(prog="./dev mutate", allow_abbrev=False,
                                     description="Sees whether the tests notice small changes of the sources.")
    parser.add_argument("--source-dir", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--file", action="append", metavar="GLOB", help="only sources of that path; may be repeated")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--sample", type=int, default=DEFAULT_SAMPLE, metavar="N", help=f"as many of them (default {DEFAULT_SAMPLE})")
    size.add_argument("--all", action="store_true", help="all of them: a day for everything, an hour for a file")
    size.add_argument("--survivors", action="store_true", help="those that survived an earlier run, again")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the sample (default 1)")
    parser.add_argument("--again", action="store_true", help="also those whose verdict is known from an earlier run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="side by side (default: the cores)")
    parser.add_argument("--for", dest="minutes", type=float, default=0, metavar="MINUTES", help="begin no mutant after that")
    parser.add_argument("--list", action="store_true", help="say what would be tried, and try nothing")
    parser.add_argument("--report", type=pathlib.Path, metavar="FILE", help="write what all runs found as a document")
    args = parser.parse_args(argv)
    args.source_dir, args.build_dir = args.source_dir.resolve(), args.build_dir.resolve()
    args.until = time.time() + args.minutes * 60 if args.minutes else 0
    return args


def main(argv):
    args = parse_arguments(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = args.build_dir.parent / "mutation"
    folder.mkdir(parents=True, exist_ok=True)
    verdicts, accepted = Verdicts(folder / "verdicts.jsonl"), Accepted()
    all_of_them = candidates(args.source_dir, args.file)
    chosen = choose(args, all_of_them, verdicts.of_present_texts(args.source_dir))
    if args.list:
        for path, text, mutant in chosen:
            record = record_of(path, text, mutant)
            print(f"{path}:{record['line']}: {record['kind']}: {record['change']}")
        return 0
    if chosen:
        run = Run(args, verdicts)
        try:
            run.run(chosen)
        except KeyboardInterrupt:
            print("interrupted; what was found until now is remembered")
        finally:
            run.close()
    known = verdicts.of_present_texts(args.source_dir)
    if args.report:
        args.report.write_text(report.document(known, accepted, candidates(args.source_dir, [])))
    return report.close(known if not args.file else [r for r in known if any(fnmatch.fnmatch(r["path"], p) for p in args.file)],
                        accepted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
