# SPDX-License-Identifier: Apache-2.0
"""One mutant on trial: compiled, linked into each program that should notice it, run, and judged.

  found         a program failed, crashed, or exceeded its time: the first one ends the trial
  survived      all programs passed
  equivalent    the objects are those of the original, at -O1 or as the build itself compiles them: no test could tell
  not compiled  the compiler refused, so nobody could have committed it

A time limit is on the processor's time, in units of what the original takes, so that a busy machine finds no mutants; the limit
on the wall clock is for programs that wait for ever.
"""

import os
import shutil
import signal
import subprocess
import time

from build_plan import digest, place

CPU_FLOOR_S, CPU_FACTOR = 3, 5
WALL_FLOOR_S, WALL_FACTOR = 90, 30
MEMORY_BYTES = 8 << 30
FILE_BYTES = 256 << 20


class Limits:
    """What a program takes when nothing is changed, and so what a mutant of it may take."""

    def __init__(self, cpu_s, wall_s):
        self.cpu_s = CPU_FLOOR_S + int(CPU_FACTOR * cpu_s)
        self.wall_s = WALL_FLOOR_S + int(WALL_FACTOR * wall_s)


class Bench:
    """What one worker tries mutants on, in a scratch folder of its own."""

    def __init__(self, plan, scratch, limits):
        self.plan, self.scratch, self.limits = plan, scratch, limits
        (scratch / "tmp").mkdir(parents=True, exist_ok=True)

    def try_mutant(self, path, text, mutant, programs):
        """Returns (verdict, the program that found it and how, or "")."""
        compiled = {}
        try:
            all_equal = True
            for program in programs:
                affected = [o for o in self.plan.taken(program.target) if self.plan.depends_on(o, path)]
                if not affected:
                    continue
                objects, equal = self._compile(path, text, mutant, affected, compiled)
                if objects is None:
                    return "not compiled", ""
                if equal:
                    continue
                all_equal = False
                how = self._run(program, objects)
                if how:
                    return "found", f"{program.target.removeprefix('tests/')}: {how}"
            if all_equal or self._is_equal_as_built(path, text, mutant, programs):
                return "equivalent", ""
            return "survived", ""
        finally:
            shutil.rmtree(self.scratch / "objects", ignore_errors=True)

    def _compile(self, path, text, mutant, affected, compiled):
        """The mutant's objects, and whether they are all the same as the original's; None if one does not compile."""
        (self.scratch / "objects").mkdir(exist_ok=True)
        place(self.scratch, path, mutant.apply(text))
        for obj in affected:
            if obj not in compiled:
                output = self.scratch / "objects" / f"{len(compiled)}.o"
                if self.plan.compile(obj, path, self.scratch, output):
                    return None, False
                compiled[obj] = output
        equal = all(digest(compiled[o]) == self.plan.original(o, path, text, self.scratch) for o in affected)
        return {o: compiled[o] for o in affected}, equal

    def _is_equal_as_built(self, path, text, mutant, programs):
        """A survivor may still be the same program to a better optimiser."""
        return self._is_equal(path, text, mutant, programs, exactly=True)

    def _is_equal(self, path, text, mutant, programs, exactly):
        """Whether all objects of the first program are those of the original; None if one does not compile."""
        output = self.scratch / "exact.o"
        for obj in self.plan.taken(programs[0].target):
            if self.plan.depends_on(obj, path):
                place(self.scratch, path, mutant.apply(text))
                if self.plan.compile(obj, path, self.scratch, output, exactly):
                    return None
                if digest(output) != self.plan.original(obj, path, text, self.scratch, exactly):
                    return False
        return True

    def judge_survivor(self, path, text, mutant, programs):
        """The verdict on a mutant that all programs passed."""
        for exactly in (False, True):
            equal = self._is_equal(path, text, mutant, programs, exactly)
            if equal is not False:
                return "not compiled" if equal is None else "equivalent"
        return "survived"

    def _run(self, program, objects):
        """How the program noticed, or "" if it did not."""
        binary = self.scratch / "program"
        if self.plan.link(program.target, binary, objects) is None:
            return "it could not be linked"
        return execute(self.plan, binary, program.arguments, self.scratch / "tmp", self.limits[program])[0]


def measure(plan, program, folder):
    """The limits of a program, from one run of the original, which has to pass."""
    folder.mkdir(parents=True, exist_ok=True)
    how, cpu_s, wall_s = execute(plan, plan.original_program(program.target), program.arguments, folder, Limits(300, 60))
    if how:
        raise RuntimeError(f"{program.target} fails without any mutant: {how}")
    return Limits(cpu_s, wall_s), cpu_s


def execute(plan, binary, arguments, folder, limits, number=0):
    """Runs a program as this mutant; returns how it failed or "", and the seconds of its processor and of the wall clock."""
    command = ["prlimit", f"--cpu={limits.cpu_s}", "--core=0", f"--as={MEMORY_BYTES}", f"--fsize={FILE_BYTES}", binary, *arguments]
    env = dict(os.environ, GNOMON_SOURCE_DIR=str(plan.root), GNOMON_BUILD_DIR=str(plan.build_dir), TMPDIR=str(folder),
               TEST_TMPDIR=str(folder), GNOMON_MUTANT=str(number))
    started = time.monotonic()
    child = subprocess.Popen(command, cwd=plan.root, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        status = wait_for(child, limits.wall_s)
        usage = child.usage
    except subprocess.TimeoutExpired:
        status, usage = None, None
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if child.returncode is None:
            child.wait()
        empty(folder)
    wall_s = time.monotonic() - started
    if status is None:
        return f"still waiting after {limits.wall_s} s", 0, wall_s
    cpu_s = usage.ru_utime + usage.ru_stime
    if status == 0:
        return "", cpu_s, wall_s
    if status in (-signal.SIGXCPU, -signal.SIGKILL) and cpu_s >= limits.cpu_s - 1:
        return f"still busy after {limits.cpu_s} s", cpu_s, wall_s
    return (f"exit status {status}" if status > 0 else signal.Signals(-status).name), cpu_s, wall_s


def wait_for(child, timeout_s):
    """Like child.wait(), and keeps what the program used."""
    deadline = time.monotonic() + timeout_s
    pause = 0.002
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.usage = usage
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired(child.args, timeout_s)
        time.sleep(pause)
        pause = min(pause * 1.3, 0.1)


def empty(folder):
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
