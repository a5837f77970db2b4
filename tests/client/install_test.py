# SPDX-License-Identifier: Apache-2.0
"""What a user of the installed libraries meets: headers, libraries, gnomon.pc and gnomon-lease.pc, and nothing of the source tree.

Installs into a folder of its own, compiles the examples against that with pkg-config alone, shared and static, in C++ and C,
and runs them against real little servers. "Static" is our own library: what it needs of the system (libsodium, gRPC and all
that gRPC needs) stays shared, since Debian has no static gRPC that a program could be linked with whole.

Usage: install_test.py BUILD_DIR EXAMPLES_DIR SERVER_PROGRAM LEASE_SERVER_PROGRAM
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
LEASE_SERVER = BUILD / sys.argv[4]
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
        cls.pc = next(cls.root.rglob("gnomon-lease.pc"))  # the other one stands beside it
        cls.lib = next(cls.root.rglob("libgnomon.so")).parent
        cls.prefix = next(cls.root.rglob("include")).parent
        cls.servers = []
        cls.addClassCleanup(cls.clean_up)
        cls.address = cls.serve(SERVER)
        cls.lease_address = cls.serve(LEASE_SERVER, cls.root / "leases")

    @classmethod
    def serve(cls, *command):
        cls.servers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return cls.servers[-1].stdout.readline().strip()

    @classmethod
    def clean_up(cls):
        for server in cls.servers:
            server.stdin.close()
            server.stdout.close()
            server.wait(timeout=TIMEOUT_S)
        cls.folder.cleanup()

    def flags(self, package, *what):
        # Own file first, then the system's for what it requires.
        env = dict(os.environ, PKG_CONFIG_PATH=str(self.pc.parent))
        words = run("pkg-config", f"--define-variable=prefix={self.prefix}", *what, package, env=env).split()
        return [word for word in words if word]

    def build(self, source, static, package="gnomon"):
        """The command that runs it."""
        compiler = ["cc", "-std=c11"] if source.endswith(".c") else ["c++", "-std=c++20"]
        library = package.replace("-", "_")
        program = self.root / "program"
        flags = self.flags(package, "--cflags")
        libs = self.flags(package, "--libs", "--static") if static else self.flags(package, "--libs")
        if static:
            libs = [f"-l:lib{library}.a" if word == f"-l{library}" else word for word in libs]
            libs += ["-lstdc++", "-lm"] if source.endswith(".c") else []
        run(*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", *flags, EXAMPLES / source, "-o", program, *libs)
        needed = re.findall(r"\[(libgnomon\w*)\.so", run("readelf", "-d", program))
        self.assertEqual(needed, [] if static else [f"lib{library}"])
        return [program] if static else ["env", f"LD_LIBRARY_PATH={self.lib}", program]

    def build_and_run(self, source, static, package="gnomon", arguments=()):
        return run(*self.build(source, static, package), *(arguments or [self.address])).split("\n")

    def test_examples_build_and_run_against_the_installed_tree(self):
        for source in ("next_id.cpp", "stream.cpp", "c_next_id.c", "commit.cpp", "stamp.cpp", "c_now.c"):
            for static in (False, True):
                with self.subTest(source=source, static=static):
                    first = self.build_and_run(source, static)[0]
                    self.assertRegex(first, r"^\d{16,20}$")

    def test_every_installed_header_compiles_alone(self):
        headers = sorted((self.prefix / "include/gnomon").rglob("*.h*"))
        self.assertGreaterEqual(len(headers), 10)
        names = [str(header.relative_to(self.prefix / "include/gnomon")) for header in headers]
        self.assertGreaterEqual(len([name for name in names if name.startswith("client/lease/")]), 7)
        for name in names:
            package = "gnomon-lease" if name.startswith("client/lease/") else "gnomon"
            with self.subTest(header=name):
                run("c++", "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *self.flags(package, "--cflags"), "-fsyntax-only",
                    "-xc++", "-", input=f'#include "{name}"\n')

    def test_no_header_of_grpc_is_needed(self):
        # Who compiles against the leases needs no development files of gRPC, and no flags of it.
        self.assertEqual(self.flags("gnomon-lease", "--cflags-only-I"), self.flags("gnomon", "--cflags-only-I"))
        for header in (self.prefix / "include/gnomon/client/lease").glob("*.hpp"):
            self.assertNotRegex(header.read_text(), r"#include [<\"](grpc|google/protobuf|gnomon/v1)", header.name)

    def shown(self, library):
        symbols = run("nm", "-D", "-C", "--defined-only", self.lib / library)
        functions_and_data = re.compile(r"^[0-9a-f]{16} [TWBDVR] ([^@\n]+)", re.M)
        return functions_and_data.findall(symbols)

    def test_the_shared_library_shows_public_names_only(self):
        shown = self.shown("libgnomon.so")
        public = re.compile(r"^(gnomon_\w+$|gnomon::client::(Client|HlcStamper|IdStream|SharedClock)::|gnomon::client::(text_of|try_elsewhere)\(gnomon::client::ErrorKind\)"
                            r"|gnomon::id::)")
        self.assertIn("gnomon_next_id", shown)
        self.assertEqual([name for name in shown if not public.match(name)], [])

    def test_lease_examples_build_and_run_against_the_installed_tree(self):
        examples = {
            "lease.cpp": ("", r"^held under token \d+$"),
            "lease_cache.cpp": ("cache/a", r'^the reader has "old", valid$'),
            "lease_chunks.cpp": ("chunk", r"^primary of 100 chunks on one session$"),
            "lease_election.cpp": ("leader", r"^term 1: leading$"),
            "lease_guard.cpp": ("guarded", r"^the first holder writes: admitted"),
            "lease_job.cpp": ("nightly", r"^running$"),
        }
        self.assertEqual(sorted(examples), sorted(path.name for path in EXAMPLES.glob("lease*.cpp")))
        for source, (name, first) in examples.items():
            for static in (False, True):
                with self.subTest(source=source, static=static):
                    arguments = [self.lease_address] + ([name] if name else [])
                    self.assertRegex(self.build_and_run(source, static, "gnomon-lease", arguments)[0], first)

    def test_the_installed_lease_library_says_that_nobody_serves(self):
        command = self.build("lease_guard.cpp", False, "gnomon-lease")
        nobody = f"unix:{self.root}/nobody"
        done = subprocess.run([*command, nobody, "a"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("check that gnomond runs there", done.stderr)

    def test_the_shared_lease_library_shows_public_names_only(self):
        shown = self.shown("libgnomon_lease.so")
        public = re.compile(r"^gnomon::client::((CacheReader|ChunkPrimary|LeaderElection|LeaderObserver|Lease|LeaseClient|LeaseWatch|"
                            r"LocationCache|Session|SessionKeeper)::|(believable|checked|elapsed|run_exclusively|update_cached)\b|"
                            r"text_of\(gnomon::client::(JobEnd|LeaseErrorKind|LeaseStatus|TokenVerdict)\))")
        self.assertTrue([name for name in shown if name.startswith("gnomon::client::LeaseClient::connect(")])
        self.assertEqual([name for name in shown if not public.match(name)], [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
