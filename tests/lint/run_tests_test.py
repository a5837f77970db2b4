#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The test runner under test: it must count, and must not be talked out of a failure.

Each case registers small programs that behave like gtest programs (they pass, fail, skip, crash, hang, lie) in a fake build
folder, runs the runner on it and reads its last line and exit status.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

RUNNER = pathlib.Path(__file__).resolve().parents[1] / "run_tests.py"
spec = importlib.util.spec_from_file_location("run_tests", RUNNER)
run_tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_tests)

REPORT = """
import os, sys, time
def report(*cases):
    path = [a for a in sys.argv if a.startswith("--gtest_output=xml:")][0].split(":", 1)[1]
    with open(path, "w") as out:
        out.write("<testsuites><testsuite>" + "".join(cases) + "</testsuite></testsuites>")
def case(name, inner="", result="completed", status="run"):
    return f'<testcase classname="A" name="{name}" status="{status}" result="{result}">{inner}</testcase>'
"""


class RunTestsTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="gnomon-test.")
        self.build = pathlib.Path(self.dir.name)
        (self.build / "tests" / "unit").mkdir(parents=True)
        (self.build / "meson-info").mkdir()
        (self.build / "meson-info" / "intro-targets.json").write_text("[]")
        self.tests = []

    def tearDown(self):
        self.dir.cleanup()

    def add(self, name, body, suite="unit", protocol="gtest", timeout=20):
        script = self.build / "tests" / "unit" / f"{name}.py"
        script.write_text(REPORT + textwrap.dedent(body))
        self.tests.append({"name": name, "suite": [f"gnomon:{suite}"], "cmd": [sys.executable, str(script)], "env": {},
                           "depends": [], "protocol": protocol, "is_parallel": True, "timeout": timeout, "workdir": None})

    def run_tests(self, *args):
        (self.build / "meson-info" / "intro-tests.json").write_text(json.dumps(self.tests))
        done = subprocess.run([sys.executable, RUNNER, "--source-dir", self.build, "--build-dir", self.build, *args],
                              capture_output=True, text=True, timeout=60, check=False)
        self.output = done.stdout + done.stderr
        return done.returncode, self.output.strip().splitlines()[-1]

    def test_sums_cases_over_programs(self):
        self.add("one", "report(case('x'), case('y'))")
        self.add("two", "report(case('z'))", suite="net")
        self.assertEqual(self.run_tests(), (0, "3 passed, 0 failed, 0 skipped"))

    def test_a_failed_case_is_named_and_fails_the_run(self):
        self.add("one", "report(case('good'), case('bad', '<failure message=\"1 is not 2\"/>')); sys.exit(1)")
        self.assertEqual(self.run_tests(), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("failed: unit/one A.bad", self.output)
        self.assertIn("1 is not 2", self.output)

    def test_a_skip_is_shown_with_its_reason(self):
        self.add("one", "report(case('good'), case('bare', '<skipped message=\"a.cpp:3&#x0A;no namespaces here\"/>', 'skipped'))")
        self.assertEqual(self.run_tests(), (0, "1 passed, 0 failed, 1 skipped"))
        self.assertIn("skipped: unit/one A.bare: no namespaces here", self.output)

    def test_a_disabled_case_is_a_skip(self):
        self.add("one", "report(case('good'), case('DISABLED_x', '', 'suppressed', 'notrun'))")
        self.assertEqual(self.run_tests(), (0, "1 passed, 0 failed, 1 skipped"))

    def test_nothing_but_skips_is_not_a_success(self):
        self.add("one", "report(case('bare', '<skipped message=\"because\"/>', 'skipped'))")
        self.assertEqual(self.run_tests(), (1, "0 passed, 0 failed, 1 skipped"))

    def test_a_crash_is_one_failure_and_names_its_case(self):
        self.add("one", r"""
            print("[ RUN      ] A.first\n[       OK ] A.first (0 ms)\n[ RUN      ] A.second", flush=True)
            os.abort()""")
        self.assertEqual(self.run_tests(), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("failed: unit/one A.second", self.output)
        self.assertIn("SIGABRT", self.output)

    def test_a_bad_exit_after_good_cases_is_one_failure(self):
        self.add("one", "report(case('x')); sys.exit(23)")
        self.assertEqual(self.run_tests(), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("exit status 23", self.output)

    def test_exit_0_without_a_report_is_one_failure(self):
        self.add("one", "pass")
        self.assertEqual(self.run_tests(), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_hang_is_killed_with_its_children(self):
        self.add("one", """
            if os.fork() == 0:
                open(os.path.join(os.environ["GNOMON_BUILD_DIR"], "child"), "w").write(str(os.getpid()))
            time.sleep(600)""", timeout=1)
        started = time.monotonic()
        self.assertEqual(self.run_tests(), (1, "0 passed, 1 failed, 0 skipped"))
        self.assertLess(time.monotonic() - started, 20)
        child = pathlib.Path("/proc", (self.build / "child").read_text(), "stat")
        self.assertTrue(not child.exists() or child.read_text().rsplit(")", 1)[1].split()[0] == "Z")

    def test_other_programs_count_by_exit_status(self):
        self.add("good", "pass", protocol="exitcode")
        self.add("bad", "sys.exit(1)", protocol="exitcode")
        self.add("skip", "print('no root'); sys.exit(77)", protocol="exitcode")
        self.assertEqual(self.run_tests(), (1, "1 passed, 1 failed, 1 skipped"))
        self.assertIn("skipped: unit/skip (the program): no root", self.output)

    def test_nothing_registered_is_a_failure(self):
        self.assertEqual(self.run_tests(), (1, "0 passed, 0 failed, 0 skipped"))

    def test_a_named_suite_without_tests_is_a_failure(self):
        self.add("one", "report(case('x'))")
        self.assertEqual(self.run_tests("--suite", "unit", "--suite", "chaos"), (1, "0 passed, 0 failed, 0 skipped"))
        self.assertEqual(self.run_tests("--suite", "unit"), (0, "1 passed, 0 failed, 0 skipped"))

    def test_an_opt_in_suite_runs_only_when_it_is_named(self):
        self.add("one", "report(case('x'))")
        self.add("two", "report(case('y'), case('z'))", suite="phc-guest")
        self.assertEqual(self.run_tests(), (0, "1 passed, 0 failed, 0 skipped"))
        self.assertEqual(self.run_tests("--suite", "phc-guest"), (0, "2 passed, 0 failed, 0 skipped"))

    def test_an_unknown_suite_is_a_usage_error(self):
        self.add("one", "report(case('x'))", suite="misc")
        self.assertNotEqual(self.run_tests()[0], 0)
        self.assertEqual(self.run_tests("--suite", "misc")[0], 2)

    def test_a_filter_names_programs_or_else_cases(self):
        self.add("one", "report(case('x'))")
        self.add("two", "report(case('y' if '--gtest_filter=A.y' in sys.argv else 'all'), case('z'))")
        self.assertEqual(self.run_tests("--filter", "on*"), (0, "1 passed, 0 failed, 0 skipped"))
        self.assertEqual(self.run_tests("--filter", "A.y"), (0, "3 passed, 0 failed, 0 skipped"))

    def test_full_reaches_the_programs(self):
        self.add("one", "report(case('x')); sys.exit(0 if os.environ.get('GNOMON_TEST_FULL') == '1' else 1)")
        self.assertEqual(self.run_tests()[0], 1)
        self.assertEqual(self.run_tests("--full")[0], 0)

    def test_the_thread_sanitizer_leaves_out_what_it_cannot_judge(self):
        self.add("pure", "report(case('x'))")
        self.add("map_tbb_test", "report(case('y'))")
        self.assertEqual(self.run_tests("--sanitize", "thread"), (0, "1 passed, 0 failed, 1 skipped"))
        self.assertIn("oneTBB is not instrumented", self.output)

    def test_lease_programs_with_grpc_are_not_for_the_thread_sanitizer_and_those_without_are(self):
        lease = {program.name: run_tests.thread_sanitizer_objection(program) for program in self.registered("lease")}
        judged = {name for name, reason in lease.items() if reason is None}
        self.assertEqual(judged, {
            "client/lease/client_lease_keeper_test", "control/lease_crew_test", "control/lease_desk_test",
            "control/lease_history_test", "control/lease_limits_test", "control/lease_runner_crew_test",
            "control/lease_runner_test", "control/lease_watchers_test", "oracle/lease_property_test",
            "oracle/lease_rules_test", "oracle/lease_test", "sim/lease_canary_test", "sim/lease_sim_test"})

    def registered(self, word):
        """The programs of the real build whose names have this word."""
        build = pathlib.Path(os.environ["GNOMON_BUILD_DIR"])
        source = pathlib.Path(os.environ["GNOMON_SOURCE_DIR"])
        return [p for p in run_tests.load_programs(build, source) if word in p.name.rsplit("/", 1)[-1]]


if __name__ == "__main__":
    unittest.main()
