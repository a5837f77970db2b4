# SPDX-License-Identifier: Apache-2.0
"""All mutants of a source on trial: compiled into one program (schemata.py), which is run once as each of them.

Whoever survives all programs is compiled alone after all, to see whether it is a change to the compiler. Mutants that are left over
are tried singly (trial.py).
"""

import re

import trial
from build_plan import place
from schemata import Schema

MAX_ROUNDS = 12
ERROR = re.compile(r"^(\S+?):(\d+):(\d+): error: (.*)$", re.M)
# Two mutants of one value may have two types. That is the fault of standing side by side.
SIDE_BY_SIDE = re.compile(r"operands to|constant expression|different types|not constant")


class FileTrial:
    def __init__(self, bench, path, text, mutants, programs, note):
        """`note(mutant, verdict, how)` is called for each mutant as soon as its verdict is known."""
        self.bench, self.plan, self.scratch = bench, bench.plan, bench.scratch
        self.path, self.text, self.programs, self.note = path, text, programs, note
        self.schema = Schema(text, mutants)
        inside = set(self.schema.numbers.values())
        self.left_over = [m for m in mutants if m not in inside]
        self.stopping = lambda: False

    def run(self):
        for program in self.programs:
            if self.schema.numbers and not self.stopping():
                self._run_program(program)
        for mutant in list(self.schema.numbers.values()):
            if self.stopping():
                return
            self.note(mutant, self.bench.judge_survivor(self.path, self.text, mutant, self.programs), "")
        for mutant in self.left_over:
            if self.stopping():
                return
            self.note(mutant, *self.bench.try_mutant(self.path, self.text, mutant, self.programs))

    def _run_program(self, program):
        affected = [o for o in self.plan.taken(program.target) if self.plan.depends_on(o, self.path)]
        objects = self._compile(affected) if affected else {}
        if not objects:
            return
        binary = self.scratch / "all-mutants"
        if self.plan.link(program.target, binary, {**objects, "number.o": self.plan.definition(self.scratch)}) is None:
            raise RuntimeError(f"{program.target} can't be linked with the mutants of {self.path}")
        folder = self.scratch / "tmp"
        how, cpu_s, wall_s = trial.execute(self.plan, binary, program.arguments, folder, trial.Limits(300, 60))
        if how:
            raise RuntimeError(f"{program.target} fails as no mutant of {self.path}: {how}")
        limits = trial.Limits(cpu_s, wall_s)
        for number, mutant in list(self.schema.numbers.items()):
            if self.stopping():
                return
            how, _, _ = trial.execute(self.plan, binary, program.arguments, folder, limits, number)
            if how:
                self.schema.drop([number])
                self.note(mutant, "found", f"{program.target.removeprefix('tests/')}: {how}")

    def _compile(self, affected):
        """The objects with all mutants inside; mutants at which the compiler stumbles are taken out."""
        (self.scratch / "many").mkdir(exist_ok=True)
        objects = {}
        for i, obj in enumerate(affected):
            objects[obj] = self.scratch / "many" / f"{i}.o"
            for _ in range(MAX_ROUNDS):
                rendered, spans = self.schema.render()
                place(self.scratch, self.path, rendered)
                refused = self.plan.compile(obj, self.path, self.scratch, objects[obj])
                if not refused:
                    break
                if not self._take_out(refused, rendered, spans):
                    self._leave_all_over()
                    return {}
            if not self.schema.numbers:
                return {}
        return objects

    def _take_out(self, refused, rendered, spans):
        """Whether an error could be laid at the door of a mutant."""
        offsets = [0]
        for line in rendered.split("\n"):
            offsets.append(offsets[-1] + len(line.encode()) + 1)
        guilty = {}
        for file, line, column, words in ERROR.findall(refused):
            if file.endswith(self.path):
                at = offsets[int(line) - 1] + int(column) - 1
                # The innermost: the one that begins last.
                inside = [(first, number) for first, last, number in spans if first <= at <= last]
                if inside:
                    guilty.setdefault(max(inside)[1], words)
        for number, words in guilty.items():
            mutant = self.schema.numbers.get(number)
            if mutant is None:
                continue
            self.schema.drop([number])
            if SIDE_BY_SIDE.search(words):
                self.left_over.append(mutant)
            else:
                self.note(mutant, "not compiled", "")
        return bool(guilty)

    def _leave_all_over(self):
        self.left_over += self.schema.numbers.values()
        self.schema.drop(list(self.schema.numbers))
