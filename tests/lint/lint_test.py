#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checks under test: each is shown a small tree that breaks its rule, and must say so, and one that does not.

What clang-format and clang-tidy themselves find is not tested here; their packages belong to ./dev lint, not to ./dev test.
"""

import json
import os
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True

import arrows  # noqa: E402
import compiled  # noqa: E402
import documents  # noqa: E402
import form  # noqa: E402
import purity  # noqa: E402
import tree as shared  # noqa: E402

# Written out once more, by hand: the arrows that there are. All others are forbidden.
ARROWS = {
    "oracle": "",
    "platform": "oracle",
    "proto": "oracle",
    "ptp": "platform oracle",
    "dataplane": "platform oracle",
    "control": "proto platform oracle",
    "client": "proto platform oracle",
    "cmd": "dataplane control ptp client proto platform oracle",
    "bench": "cmd dataplane control ptp client proto platform oracle tests",
    "tests": "cmd dataplane control ptp client proto platform oracle bench",
}
LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"


class TreeTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="gnomon-test.")
        self.root = pathlib.Path(self.dir.name)
        home = tempfile.TemporaryDirectory(prefix="gnomon-test.")
        self.addCleanup(home.cleanup)
        environment = unittest.mock.patch.dict(os.environ, {"XDG_CACHE_HOME": home.name})
        environment.start()
        self.addCleanup(environment.stop)

    def tearDown(self):
        self.dir.cleanup()

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def problems(self, check):
        return check(shared.Tree(self.root))

    def expect(self, check, *beginnings):
        problems = self.problems(check)
        self.assertEqual(len(problems), len(beginnings), problems)
        for problem, beginning in zip(problems, beginnings):
            self.assertTrue(problem.startswith(beginning), problem)


class ArrowsTest(TreeTest):
    def test_every_pair_of_folders(self):
        forbidden = 0
        for source, allowed in ARROWS.items():
            for target in ARROWS:
                self.write(f"{target}/there/x.hpp", "")
                self.write(f"{source}/here/y.cpp", f'#include "{target}/there/x.hpp"\n')
                if target == source or target in allowed.split():
                    self.expect(arrows.check)
                else:
                    forbidden += 1
                    self.expect(arrows.check, f"{source}/here/y.cpp:1: {source}/ may not include {target}/")
                (self.root / source / "here" / "y.cpp").unlink()
        self.assertEqual(forbidden, 53)

    def test_generated_headers_belong_to_proto(self):
        for source, target_is_allowed in (("control", True), ("client", True), ("cmd", True), ("ptp", False), ("oracle", False),
                                          ("dataplane", False), ("platform", False)):
            self.write(f"{source}/a.cpp", '\n#include "gnomon/v1/status.pb.h"\n')
            self.expect(arrows.check, *([] if target_is_allowed else [f"{source}/a.cpp:2: "]))
            (self.root / source / "a.cpp").unlink()

    def test_other_spellings_do_not_help(self):
        self.write("oracle/x.hpp", "")
        self.write("control/x.hpp", "")
        self.write("oracle/a.cpp", '#include "../control/x.hpp"\n')
        self.write("oracle/b.cpp", '  #  include <control/x.hpp>\n')
        self.write("oracle/c.cpp", '#include "x.hpp"\n')
        self.write("misc/d.cpp", "")
        self.expect(arrows.check, "misc/d.cpp:1: ", "oracle/a.cpp:1: ", "oracle/b.cpp:1: ", "oracle/c.cpp:1: ")

    def test_dpdk_is_for_the_data_plane(self):
        self.write("dataplane/a.cpp", "#include <rte_mbuf.h>\n")
        self.write("client/a.cpp", "#include <rte_mbuf.h>\n")
        self.expect(arrows.check, "client/a.cpp:1: ")


class PurityTest(TreeTest):
    def test_headers_that_wait_open_or_read_clocks(self):
        for header in ("sys/socket.h", "unistd.h", "thread", "mutex", "chrono", "fstream", "pthread.h", "x86intrin.h", "ctime",
                       "time.h", "iostream", "random", "filesystem", "condition_variable", "rte_cycles.h", "spdlog/spdlog.h"):
            self.write("oracle/a.hpp", f"#include <{header}>\n")
            self.expect(purity.check, "oracle/a.hpp:1: ")
        self.write("oracle/a.hpp", "#include <atomic>\n#include <cstdint>\n#include <tl/expected.hpp>\n")
        self.expect(purity.check)

    def test_words_outside_of_comments_and_literals(self):
        for words in ("auto t = std::chrono::steady_clock::now();", "auto t = __rdtsc();", "clock_gettime(0, &t);",
                      "std::random_device d;", "thread_local int x;", "std::mutex m;", 'asm volatile("rdtsc");'):
            self.write("oracle/a.cpp", f"int a;\nvoid f() {{ {words} }}\n")
            self.assertTrue(self.problems(purity.check), words)
        self.write("oracle/a.cpp", '// not std::mutex\nconst char* s = "__rdtsc"; /* asm */ int open(int); int x = open(1);\n')
        self.expect(purity.check)

    def test_other_folders_may(self):
        self.write("platform/a.cpp", "#include <mutex>\nstd::mutex m;\n")
        self.expect(purity.check)


class FormTest(TreeTest):
    def test_length(self):
        self.write("oracle/a.cpp", "\n" * 600)
        self.expect(form.check_length)
        self.write("oracle/a.cpp", "\n" * 601)
        self.expect(form.check_length, "oracle/a.cpp:601: ")

    def test_licence(self):
        self.write("a.cpp", LICENCE)
        self.write("b.py", "#!/usr/bin/env python3\n# SPDX-License-Identifier: Apache-2.0\n")
        self.write("README.md", "free\n")
        self.expect(form.check_licence)
        self.write("c.hpp", "#pragma once\n" + LICENCE)
        self.write("d", "#!/bin/sh\necho\n")
        self.expect(form.check_licence, "c.hpp:1: ", "d:1: ")

    def test_paths(self):
        self.write("a.md", "see docs/work/ and ${x}/work/y\n")
        self.expect(form.check_paths)
        self.write("a.md", "\nsee /" + "work/main\n")
        self.write("b.md", f"see {self.root.resolve()}/x\n")
        self.expect(form.check_paths, "a.md:2: ", "b.md:1: ")

    def test_python(self):
        self.write("a.py", "def f(:\n")
        self.expect(form.check_python, "a.py:1: ")


class CompiledTest(TreeTest):
    def setUp(self):
        super().setUp()
        self.write("build/release/compile_commands.json", json.dumps(
            [{"directory": str(self.root / "build" / "release"), "file": "../../a.cpp", "command": "c++ -I../.. -c ../../a.cpp"}]))
        self.write("a.cpp", "")

    def test_a_compiler_behind_ccache_is_the_same_compiler(self):
        plain = shared.Tree(self.root).compile_commands()
        database = self.root / "build/release/compile_commands.json"
        database.write_text(database.read_text().replace("c++ -I", "/usr/bin/ccache c++ -I"))
        self.assertEqual(shared.Tree(self.root).compile_commands(), plain)

    def test_a_source_that_nobody_builds(self):
        self.expect(compiled.check_built)
        self.write("b.cpp", "")
        self.expect(compiled.check_built, "b.cpp:1: ")

    def test_headers_compile_alone(self):
        self.write("a.hpp", "#pragma once\n#include <string>\nstd::string f();\n")
        self.write("c.h", "#pragma once\n#include <stdint.h>\nuint32_t f(void);\n")
        self.expect(compiled.check_headers)
        self.write("a.hpp", "#pragma once\nstd::string f();\n")
        self.write("c.h", "#pragma once\nclass C;\n")
        self.expect(compiled.check_headers, "a.hpp:1: does not compile alone as c++", "c.h:1: does not compile alone as c\n")

    def test_headers_may_be_included_twice(self):
        self.write("a.hpp", "struct S {};\n")
        self.expect(compiled.check_headers, "a.hpp:1: ")

    def test_a_clean_result_is_forgotten_when_an_included_header_changes(self):
        self.write("b.hpp", "#pragma once\nusing T = int;\n")
        self.write("a.hpp", '#pragma once\n#include "b.hpp"\nT f();\n')
        self.expect(compiled.check_headers)
        self.expect(compiled.check_headers)
        self.write("b.hpp", "#pragma once\n")
        self.expect(compiled.check_headers, "a.hpp:1: ")

    def clone_of(self, text, packages):
        """A second checkout with one file of this text looks at it, with these packages installed; how often it had to look."""
        looked = []
        with tempfile.TemporaryDirectory(prefix="gnomon-test.") as folder, \
                unittest.mock.patch.object(shared, "installed_headers", lambda: packages):
            (pathlib.Path(folder) / "a.hpp").write_text(text)
            tree = shared.Tree(folder)
            shared.Clean(tree, "x", f"-I{tree.root}").problems("a.hpp", lambda: looked.append(1))
        return len(looked)

    def test_a_clean_result_holds_for_every_checkout_of_this_user(self):
        self.assertEqual(self.clone_of("int f();\n", "g++ 12"), 1)
        self.assertEqual(self.clone_of("int f();\n", "g++ 12"), 0)
        self.assertEqual(self.clone_of("int g();\n", "g++ 12"), 1)
        self.assertEqual(self.clone_of("int f();\n", "g++ 14"), 1)

    def test_a_home_that_cannot_be_written_to(self):
        self.write("home", "a file\n")
        with unittest.mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(self.root / "home")}):
            self.test_a_clean_result_is_forgotten_when_an_included_header_changes()


class Documents(TreeTest):
    def test_finds_dead_links_missing_files_and_code_that_nobody_runs(self):
        self.write("client/examples/one.cpp", LICENCE + "// One ID.\nint main() {}\n")
        self.write("docs/here.md", "[there](../README.md) [gone](gone.md) [out](https://example.org/x.md)\n")
        self.write("README.md", "`client/examples/one.cpp` and `client/gone.hpp`\n```cpp\nint main() {}\n```\n"
                                "```cpp\nint other() {}\n```\n[docs](docs/)\nDEMO_OUTPUT\n")
        self.expect(documents.check, "README.md:1: names client/gone.hpp", "README.md:9: 'DEMO_OUTPUT'", "README.md:5: shows code",
                    "docs/here.md:1: links to gone.md")


if __name__ == "__main__":
    unittest.main()
