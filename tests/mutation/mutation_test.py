#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The mutation tool under test: which mutants it makes of a planted sample, and what it says about them.

The sample is compiled, linked and run as a mutant of gnomon is; the build that it stands in is a folder with the three files that
the tool reads of a real one.
"""

import concurrent.futures
import json
import pathlib
import shutil
import sys
import tempfile
import time
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True

import areas  # noqa: E402
import file_trial  # noqa: E402
import records  # noqa: E402
import report  # noqa: E402
import schemata  # noqa: E402
import trial  # noqa: E402
from build_plan import BuildPlan  # noqa: E402
from mutants import describe, mutants_of  # noqa: E402


def changes(text, kind=None):
    return [f"{was} -> {becomes}" for m in mutants_of(text) if kind in (None, m.kind) for was, becomes in [describe(m, text)]]


def in_function(statements):
    return f"int f(int a, int b) {{\n  {statements}\n}}\n"


class MutantsTest(unittest.TestCase):
    def test_comparisons_become_their_neighbours(self):
        for was, becomes in (("<", "<="), ("<=", "<"), (">", ">="), (">=", ">")):
            self.assertEqual(changes(in_function(f"return a {was} b;")), [f"{was} -> {becomes}"])
        self.assertEqual(changes(in_function("return a == b;")), ["== -> !="])
        self.assertEqual(changes(in_function("return a != b;")), ["!= -> =="])

    def test_arithmetic_and_logic(self):
        self.assertEqual(changes(in_function("return a + b;")), ["+ -> -"])
        self.assertEqual(changes(in_function("return a * b;")), ["* -> /"])
        self.assertEqual(changes(in_function("return a && b;")), ["&& -> ||"])
        self.assertEqual(changes(in_function("return !a;")), ["! -> nothing"])
        self.assertEqual(changes(in_function("return -a;")), ["- -> nothing"])
        self.assertEqual(changes(in_function("++a;")), ["++ -> --", "++a; -> ;"])

    def test_constants(self):
        self.assertEqual(changes(in_function("return 7U;")), ["7U -> 6U", "7U -> 8U"])
        self.assertEqual(changes(in_function("return 0;")), ["0 -> 1"])
        self.assertEqual(changes(in_function("return 1'000;")), ["1'000 -> 2000", "1'000 -> 500"])
        self.assertEqual(changes(in_function("return 0x1f;")), ["0x1f -> 30", "0x1f -> 32"])
        self.assertEqual(changes(in_function("return true;")), ["true -> false"])
        self.assertEqual(changes(in_function("return 0xbf58476d1ce4e5b9ULL;")), [])
        self.assertEqual(changes(in_function("return 1.5;")), [])

    def test_conditions(self):
        self.assertEqual(changes(in_function("if (a) return b;")), ["a -> false", "a -> true"])
        self.assertEqual(changes(in_function("while (a) continue;")), ["a -> false"])
        self.assertEqual(changes(in_function("if (auto c = g(a); c) return b;"), "condition"), ["c -> false", "c -> true"])
        self.assertEqual(changes(in_function("if (auto c = g(a)) return c;"), "condition"),
                         ["auto c = g(a) -> auto c = g(a); false", "auto c = g(a) -> auto c = g(a); true"])

    def test_bounds_and_neighbours(self):
        self.assertEqual(changes(in_function("return std::min(a, b);")), ["min -> max"])
        self.assertEqual(changes(in_function("return std::clamp<int>(g(a, 3), b, h(b));"), "bound"),
                         ["clamp<int>(g(a, 3), b, h(b)) -> max<int>(g(a, 3), b)",
                          "clamp<int>(g(a, 3), b, h(b)) -> min<int>(g(a, 3), h(b))"])
        self.assertEqual(changes(in_function("return Time::max();")), ["max -> min"])
        self.assertEqual(changes(in_function("return v.earliest;")), ["earliest -> latest"])
        self.assertEqual(changes(in_function("int min = a; return min;")), [])

    def test_statements_are_left_out(self):
        for statement in ("g(a);", "a = b;", "v.w->x(a).y();", "v[a] = b;", "v.at<int>(a);", "ns::g(a);", "*p = a;", "a |= b;"):
            self.assertIn(f"{statement} -> ;", changes(in_function(statement)))
            self.assertIn(f"{statement} -> ;", changes(in_function(f"if (a) {statement}")))
            self.assertIn(f"{statement} -> ;", changes(in_function(f"for (int x : v) {{ {statement} }}")))
            self.assertIn(f"{statement} -> ;", changes(in_function(f"auto l = [&] {{ {statement} }};")))
        for statement in ("return g(a);", "const auto c = g(a);", "Type c = g(a);", "Type c(a);", "std::vector<int> c;", "auto& [c, d] = v;",
                          "using std::swap;", "v.reserve(a);", "break;", "static_assert(g(a));", "Type* c = a;", "const Type& c = g(a);"):
            self.assertEqual(changes(in_function(statement), "omission"), [])

    def test_only_statements_are_left_out(self):
        for text in ("struct S { S() = default; explicit S(int); void g(int a); int x = 1; };\n", "void g(int a);\n",
                     "namespace n { int g(); }\n", "S::S(int a) : a_(a), b_{a} {}\n", "enum class E { kA = 1, kB };\n",
                     "const S s{.a = g(1), .b = {1, 2}};\n", "void f() { for (a = 1; a < b; a = a + 1) ; }\n"):
            self.assertEqual(changes(text, "omission"), [], text)
        self.assertEqual(changes("S::S(int a) : a_{a} {\n  g(a);\n}\n"), ["g(a); -> ;"])
        self.assertEqual(changes("auto f(int a) -> std::optional<int> {\n  g(a);\n}\n"), ["g(a); -> ;"])

    def test_what_is_never_touched(self):
        for text in ("// a < b && !c\n", "/* a\n < b */\n", "#define A (1 + 2)\n#include <a/b.hpp>\n", 'auto s = "a < b + 1";\n',
                     "auto c = '<';\n", 'auto r = R"x(a < b + 1)x";\n', "template <typename T, int N = 3>\nclass C;\n",
                     "static_assert(sizeof(int) == 4);\n", in_function("assert(a == 1 && b < 2);"), "std::vector<int> v;\n",
                     "void g(const S& a, T&& b, U* c);\n", "bool operator<(const S& a, const S& b);\n", "[[deprecated(1 + 2)]] int x();\n",
                     in_function('return "a" + g(a);'), in_function("if (canary::planted(canary::Bug::kX)) return a;")):
            self.assertEqual(changes(text), [], text)
        self.assertEqual(changes(in_function("return a && !canary::planted(canary::Bug::kX);")), [])

    def test_no_line_moves(self):
        text = in_function("g(a,\n    b);\n  if (a ==\n      b) return a;")
        for mutant in mutants_of(text):
            self.assertEqual(mutant.apply(text).count("\n"), text.count("\n"))
            self.assertNotEqual(mutant.apply(text), text)

    def test_the_order_is_always_the_same(self):
        text = in_function("if (a < b && !b) return a + 1;")
        self.assertEqual(mutants_of(text), sorted(set(mutants_of(text))))


class SchemataTest(unittest.TestCase):
    """How a place that has mutants stands there once for each."""

    def rendered(self, statement):
        text = in_function(statement)
        self.schema = schemata.Schema(text, mutants_of(text))
        out, self.spans = self.schema.render()
        self.out = out
        return out.removeprefix(schemata.DECLARATION).split("\n")[1].strip()

    def test_each_kind_of_place(self):
        self.assertEqual(self.rendered("return a + b;"), "{if(gnomon_mutant==1)return a - b;return a + b;}")
        self.assertEqual(self.rendered("if (a < b) g();"),
                         "if ((gnomon_mutant==1?static_cast<bool>(false):gnomon_mutant==2?static_cast<bool>(true):"
                         "gnomon_mutant==3?static_cast<bool>(a <= b):static_cast<bool>(a < b))) "
                         "{if(gnomon_mutant==4){;}else {g();}}")
        self.assertEqual(self.rendered("a = b;"), "{if(gnomon_mutant==1){;}else {a = b;}}")
        self.assertEqual(self.rendered("const int c = a + b;"), "const int c = gnomon_mutant==1?(a - b):(a + b);")
        self.assertEqual(self.rendered("for (int i = a; i < b; ++i) ;"),
                         "for (int i = a; (gnomon_mutant==1?static_cast<bool>(i <= b):static_cast<bool>(i < b)); ++i) ;")

    def test_a_place_inside_of_another_keeps_its_mutants_where_the_outer_one_is_the_original(self):
        line = self.rendered("g([&] { return a < b; }, a - b);")
        self.assertTrue(line.endswith("else {g([&] { {if(gnomon_mutant==2)return a <= b;return a < b;} }, a - b);}}"), line)

    def test_what_can_not_stand_there_twice_is_left_over(self):
        for statement in ("if (auto c = g(1)) h(c);", "int c = 1, d = 2;", "static int c = 1;", "S c{1};", "case 1: h();"):
            self.rendered(statement)
            kinds = {m.kind for m in self.schema.numbers.values()}
            self.assertLessEqual(kinds, {"omission"}, statement)

    def test_a_span_is_where_its_mutant_stands(self):
        self.rendered("if (a < b) return a + 1;")
        for first, last, number in self.spans:
            self.assertIn(f"gnomon_mutant=={number}", self.out[first:last])


SAMPLE = """#include "src/sample.hpp"
int scaled(int a) {
  int waste = a;
  waste = a;
  if (a > limit()) return -1;
  for (unsigned i = 0; i < 3;) i += step(a);
  return a * 2;
}
"""
HEADER = "#pragma once\ninline int limit() { return 50; }\ninline unsigned step(int a) { return a > 1000 ? 2 : 1; }\nint scaled(int a);\n"
JUDGE = '#include "src/sample.hpp"\nint main() { return scaled(4) == 8 && scaled(51) == -1 && scaled(7) == 14 ? 0 : 1; }\n'
NINJA = """rule cc
  command = c++ -I../.. -O2 -MD -MF $out.d -o $out -c $in
  depfile = $out.d
  deps = gcc
rule ar
  command = rm -f $out && ar csrDT $out $in
rule ld
  command = c++ -o $out $in
build lib.a.p/sample.o: cc ../../src/sample.cpp
build lib.a: ar lib.a.p/sample.o
build judge.p/judge.o: cc ../../src/judge.cpp
build judge: ld judge.p/judge.o lib.a
"""


@unittest.skipUnless(shutil.which("ninja") and shutil.which("c++") and shutil.which("prlimit"), "ninja, c++ or prlimit is missing")
class TrialTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="gnomon-test.")
        root = pathlib.Path(cls.folder.name).resolve()
        build = root / "build" / "release"
        build.mkdir(parents=True)
        (root / "src").mkdir()
        for name, text in (("sample.cpp", SAMPLE), ("sample.hpp", HEADER), ("judge.cpp", JUDGE)):
            (root / "src" / name).write_text(text)
        (build / "build.ninja").write_text(NINJA)
        (build / "compile_commands.json").write_text(json.dumps([
            {"file": f"../../src/{source}", "output": obj, "command": f"c++ -I../.. -O2 -o {obj} -c ../../src/{source}"}
            for source, obj in (("sample.cpp", "lib.a.p/sample.o"), ("judge.cpp", "judge.p/judge.o"))]))
        cls.plan = BuildPlan(root, build, root / "shared")
        cls.plan.build(["judge"])
        cls.program = areas.Program("judge", ())
        cls.plan.taken("judge")
        limits, _ = trial.measure(cls.plan, cls.program, root / "tmp")
        limits.cpu_s = 2
        cls.bench = trial.Bench(cls.plan, root / "bench", {cls.program: limits})

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def verdict(self, path, text, change):
        mutant = next(m for m in mutants_of(text) if " -> ".join(describe(m, text)) == change)
        return self.bench.try_mutant(path, text, mutant, [self.program])

    def test_found(self):
        self.assertEqual(self.verdict("src/sample.cpp", SAMPLE, "* -> /"), ("found", "judge: exit status 1"))

    def test_survived(self):
        self.assertEqual(self.verdict("src/sample.cpp", SAMPLE, "> -> >="), ("survived", ""))

    def test_equivalent(self):
        self.assertEqual(self.verdict("src/sample.cpp", SAMPLE, "waste = a; -> ;"), ("equivalent", ""))

    def test_not_compiled(self):
        self.assertEqual(trial.Bench.try_mutant(self.bench, "src/sample.cpp", SAMPLE, Typo(), [self.program]), ("not compiled", ""))

    def test_a_mutant_that_hangs_is_found(self):
        verdict, how = self.verdict("src/sample.cpp", SAMPLE, "i += step(a); -> ;")
        self.assertEqual((verdict, how[:18]), ("found", "judge: still busy "))

    def test_a_header_changes_every_object_that_includes_it(self):
        self.assertEqual(self.verdict("src/sample.hpp", HEADER, "50 -> 51"), ("found", "judge: exit status 1"))
        self.assertEqual(self.verdict("src/sample.hpp", HEADER, "50 -> 49"), ("survived", ""))

    def test_whoever_asks_while_another_reads_waits_for_the_answer(self):
        plan = BuildPlan(self.plan.root, self.plan.build_dir, self.plan.scratch)
        read = plan._read_depends

        def slowly():
            time.sleep(0.2)
            return read()

        with mock.patch.object(plan, "_read_depends", slowly), concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: plan.depends_on("judge.p/judge.o", "src/sample.hpp"), range(4)))
        self.assertEqual(answers, [True] * 4)

    def test_the_checkout_stays_as_it_was(self):
        self.verdict("src/sample.cpp", SAMPLE, "* -> /")
        self.assertEqual((self.plan.root / "src" / "sample.cpp").read_text(), SAMPLE)

    def test_all_mutants_of_a_source_in_one_program_have_the_verdicts_that_they_have_alone(self):
        together = {}
        mutants = mutants_of(SAMPLE)
        trial_of_all = file_trial.FileTrial(self.bench, "src/sample.cpp", SAMPLE, mutants, [self.program],
                                            lambda mutant, verdict, how: together.setdefault(mutant, (verdict, how[:18])))
        self.assertGreater(len(trial_of_all.schema.numbers), len(mutants) // 2)
        trial_of_all.run()
        alone = {m: self.bench.try_mutant("src/sample.cpp", SAMPLE, m, [self.program]) for m in mutants}
        self.assertEqual({m: (together[m][0], alone[m][0]) for m in mutants if together[m][0] != alone[m][0]}, {})
        self.assertEqual({v for v, _ in together.values()}, {"found", "survived", "equivalent"})


class Typo:
    """A mutant that no compiler takes."""

    @staticmethod
    def apply(text):
        return text.replace("return a * 2;", "return a * ;")


class RecordsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="gnomon-test.")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "a.cpp").write_text(SAMPLE)
        self.mutants = {" -> ".join(describe(m, SAMPLE)): m for m in mutants_of(SAMPLE)}

    def record(self, change, verdict):
        return records.record_of("a.cpp", SAMPLE, self.mutants[change], verdict, "judge: exit status 1" if verdict == "found" else "")

    def test_the_latest_verdict_counts_until_the_text_changes(self):
        verdicts = records.Verdicts(self.root / "v.jsonl")
        verdicts.add(self.record("> -> >=", "survived"))
        verdicts.add(self.record("> -> >=", "found"))
        again = records.Verdicts(self.root / "v.jsonl").of_present_texts(self.root)
        self.assertEqual([r["verdict"] for r in again], ["found"])
        (self.root / "a.cpp").write_text(SAMPLE + "\n")
        self.assertEqual(verdicts.of_present_texts(self.root), [])

    def test_a_survivor_is_open_until_it_is_accepted_by_its_line(self):
        (self.root / "accepted.toml").write_text('[[survivor]]\npath = "a.cpp"\nline = "if (a > limit()) return -1;"\n'
                                                 'changes = ["> -> >="]\nwhy = "50 is asked for by nobody"\n')
        accepted = records.Accepted(self.root / "accepted.toml")
        known = [self.record("> -> >=", "survived"), self.record("2 -> 3", "survived"), self.record("2 -> 1", "found")]
        self.assertEqual([r["change"] for r in report.open_survivors(known, accepted)], ["2 -> 3"])
        text = report.document(known, accepted, [("a.cpp", SAMPLE, m) for m in mutants_of(SAMPLE)])
        self.assertIn("| `a.cpp`:5 | `>` becomes `>=` | 50 is asked for by nobody |", text)
        self.assertIn("| `a.cpp`:7 | `2` becomes `3` | **open** |", text)
        self.assertIn(f"| `a.cpp` | {len(self.mutants)} | 3 | 1 | 2 | 0 | 0 |", text)


class AreasTest(unittest.TestCase):
    ROOT = pathlib.Path(__file__).resolve().parents[2]

    def test_every_pattern_names_a_source(self):
        for patterns, programs in areas.AREAS:
            self.assertTrue(programs)
            for pattern in patterns:
                self.assertTrue(list(self.ROOT.glob(pattern)), pattern)

    def test_every_accepted_survivor_is_still_a_line_and_a_mutant_of_its_source(self):
        for (path, line, change), why in records.Accepted().reasons.items():
            text = (self.ROOT / path).read_text()
            found = [r for r in (records.record_of(path, text, m) for m in mutants_of(text)) if r["source"] == line]
            self.assertIn(change, [r["change"] for r in found], f"{path}: {line}")
            self.assertTrue(why)


if __name__ == "__main__":
    unittest.main()
