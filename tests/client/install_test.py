# SPDX-License-Identifier: Apache-2.0
"""What a user of the installed library meets: headers, libraries and gnomon.pc, and nothing of the source tree.

Installs into a folder of its own, compiles the examples against that with pkg-config alone, shared and static, in C++ and C,
and runs them against a real little server. Usage: install_test.py BUILD_DIR EXAMPLES_DIR SERVER_PROGRAM
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv[1]).resolve()
EXAMPLES = BUILD / sys.argv[2]  # what the build system names, it names from its own folder
SERVER = BUILD / sys.argv[3]
TIMEOUT_S = 120


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", cls.root, "--tags", "libgnomon,devel")
        cls.pc = next(cls.root.rglob("gnomon.pc"))
        cls.lib = next(cls.root.rglob("libgnomon.so")).parent
        cls.prefix = next(cls.root.rglob("include")).parent
        cls.server = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.address = cls.server.stdout.readline().strip()

    @classmethod
    def tearDownClass(cls):
        cls.server.stdin.close()
        cls.server.stdout.close()
        cls.server.wait(timeout=TIMEOUT_S)
        cls.folder.cleanup()

    def flags(self, *what):
        # Own file first, then the system's for what it requires.
        env = dict(os.environ, PKG_CONFIG_PATH=str(self.pc.parent))
        words = run("pkg-config", f"--define-variable=prefix={self.prefix}", *what, "gnomon", env=env).split()
        return [word for word in words if word]

    def build_and_run(self, source, static):
        compiler = ["cc", "-std=c11"] if source.endswith(".c") else ["c++", "-std=c++20"]
        program = self.root / "program"
        flags = self.flags("--cflags")
        libs = self.flags("--libs", "--static") if static else self.flags("--libs")
        if static:
            libs = ["-l:libgnomon.a" if word == "-lgnomon" else word for word in libs]
            libs += ["-lstdc++", "-lm"] if source.endswith(".c") else []
        run(*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", *flags, EXAMPLES / source, "-o", program, *libs)
        env = dict(os.environ) if static else dict(os.environ, LD_LIBRARY_PATH=str(self.lib))
        return run(program, self.address, env=env).split("\n")

    def test_examples_build_and_run_against_the_installed_tree(self):
        for source in ("next_id.cpp", "stream.cpp", "c_next_id.c", "commit.cpp", "stamp.cpp", "c_now.c"):
            for static in (False, True):
                with self.subTest(source=source, static=static):
                    first = self.build_and_run(source, static)[0]
                    self.assertRegex(first, r"^\d{16,20}$")

    def test_every_installed_header_compiles_alone(self):
        headers = sorted((self.prefix / "include/gnomon").rglob("*.h*"))
        self.assertGreaterEqual(len(headers), 10)
        for header in headers:
            with self.subTest(header=header.name):
                name = header.relative_to(self.prefix / "include/gnomon")
                run("c++", "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *self.flags("--cflags"), "-fsyntax-only",
                    "-xc++", "-", input=f'#include "{name}"\n')

    def test_the_shared_library_shows_public_names_only(self):
        symbols = run("nm", "-D", "-C", "--defined-only", self.lib / "libgnomon.so")
        functions_and_data = re.compile(r"^[0-9a-f]{16} [TWBDVR] ([^@\n]+)", re.M)
        shown = functions_and_data.findall(symbols)
        public = re.compile(r"^(gnomon_\w+$|gnomon::client::(Client|HlcStamper|IdStream|SharedClock)::|gnomon::client::(text_of|try_elsewhere)\(gnomon::client::ErrorKind\)"
                            r"|gnomon::id::)")
        self.assertIn("gnomon_next_id", shown)
        self.assertEqual([name for name in shown if not public.match(name)], [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
