# SPDX-License-Identifier: Apache-2.0
"""How a mutant becomes a program: which objects hold the changed file, by which commands, and how they are linked.

Everything is read from the finished build. compile_commands.json has the command of each object, ninja knows on which headers an
object depends and how a program is linked, and the linker says which members of the archives it took. A mutant's objects are put
in front of the archives, so the members that they replace are never looked for; no archive is written anew.

The changed file lies in a scratch folder that is searched before the checkout. Objects are compiled with -O1 and without
debugging information, and the headers of a source once for all of its mutants: that takes a third of the time, and two equal
objects are then one program.
"""

import fcntl
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import threading

import schemata

# gold takes a third of the time; Debian 13 has it in a package of its own.
LINK_OPTIONS = ["-Wl,--strip-debug"] + (["-fuse-ld=gold"] if shutil.which("ld.gold") else [])
INCLUDES = re.compile(r"^[ \t]*#[ \t]*include\b.*$", re.M)


class BuildPlan:
    def __init__(self, root, build_dir, scratch):
        """`scratch`: a folder for what all workers share."""
        self.root = pathlib.Path(root).resolve()
        self.build_dir = pathlib.Path(build_dir).resolve()
        self.commands = {}  # object -> (source relative to the root, words)
        for entry in json.loads((self.build_dir / "compile_commands.json").read_text()):
            words = shlex.split(entry["command"])
            if words[0].endswith("ccache"):
                words = words[1:]
            self.commands[entry["output"]] = (self.relative(entry["file"]), words)
        self.scratch = scratch
        self._depends = None
        self._links = {}
        self._taken = {}
        self._originals = {}
        self._locks = {}
        self._lock = threading.Lock()

    def relative(self, path):
        """A path of the build as one of the checkout, or unchanged if it lies elsewhere."""
        full = os.path.normpath(os.path.join(self.build_dir, path))
        return os.path.relpath(full, self.root) if full.startswith(f"{self.root}{os.sep}") else str(path)

    def _ninja(self, *words):
        return subprocess.run(["ninja", "-C", self.build_dir, *words], capture_output=True, text=True, check=True).stdout

    def build(self, targets):
        with open(self.build_dir.parent / "lock", "w", encoding="utf-8") as lock:  # the lock of ./dev: one ninja at a time
            fcntl.flock(lock, fcntl.LOCK_EX)
            subprocess.run(["ninja", "-C", self.build_dir, "--quiet", *targets], check=True)
        self._depends = None

    def depends_on(self, obj, path):
        """Whether an object was compiled from a file, or from one that includes it."""
        with self._lock:  # whoever comes second waits until all of it is there
            if self._depends is None:
                self._depends = self._read_depends()
            return self.commands[obj][0] == path or path in self._depends.get(obj, ())

    def _read_depends(self):
        depends, current = {}, None
        for line in self._ninja("-t", "deps").splitlines():
            if line and not line.startswith(" "):
                current = depends.setdefault(line.split(":", 1)[0], set())
            elif line.startswith("    ../../"):
                current.add(self.relative(line.strip()))
        return depends

    def link_words(self, target):
        if target not in self._links:
            lines = self._ninja("-t", "commands", "-s", target).splitlines()
            words = shlex.split(next(line for line in reversed(lines) if f"-o {target} " in line))
            self._links[target] = words
        return self._links[target]

    def link(self, target, output, replaced, trace=False):
        """Links a program with {object: file to take in its place}. Returns what the linker said, or None if it failed."""
        words, extra = [], dict(replaced)
        for word in self.link_words(target):
            if word in extra:
                words.append(str(extra.pop(word)))
            else:
                words.append(str(output) if word == target else word)
        objects = [i for i, word in enumerate(words) if word.endswith(".o")]
        words[objects[-1] + 1:objects[-1] + 1] = map(str, extra.values())
        words += ["-Wl,--trace"] if trace else LINK_OPTIONS
        done = subprocess.run(words, cwd=self.build_dir, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr if done.returncode == 0 else None

    def definition(self, scratch):
        """The object that tells a program with many mutants which of them it is."""
        source, output = scratch / "number.cpp", scratch / "number.o"
        source.write_text(schemata.DEFINITION)
        words = self._run(["c++", "-c", str(source), "-o", str(output)])
        if words:
            raise RuntimeError(words)
        return output

    def original_program(self, target):
        return self.scratch / "links" / target.replace("/", ".")

    def taken(self, target):
        """The objects of ours that a program is made of; it is linked for that once."""
        if target not in self._taken:
            self.original_program(target).parent.mkdir(parents=True, exist_ok=True)
            said = self.link(target, self.original_program(target), {}, trace=True)
            if said is None:
                raise RuntimeError(f"{target} can't be linked again; build it first")
            self._taken[target] = [obj for obj in self.commands if self._mentions(said, obj)]
        return self._taken[target]

    def _mentions(self, said, obj):
        return re.search(r"(?:^|[\s()/])" + re.escape(obj) + r"(?:$|[\s)])", said, re.M) is not None

    def compile(self, obj, path, scratch, output, exactly=False):
        """Compiles an object with what scratch holds in the place of `path`. Returns why the compiler refuses, or nothing."""
        source, _ = self.commands[obj]
        words = self._words(obj, scratch, exactly)
        if source == path:
            words = [str(scratch / path) if self.relative(word) == path else word for word in words]
            header = None if exactly else self._headers_of(obj, scratch / path, words)
            words[1:1] = ["-include", str(header)] if header else []
        return self._run(words + ["-o", str(output)])

    def _run(self, words):
        done = subprocess.run(words, cwd=self.build_dir, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr or f"exit status {done.returncode}"

    def _words(self, obj, scratch, exactly):
        """The command of an object: without warnings, debugging information and output, and with the scratch folder first."""
        dropped = ("-MD", "-g") if exactly else ("-MD", "-g", "-O0", "-O1", "-O2", "-O3", "-Og", "-Os")
        _, words = self.commands[obj]
        kept, i = [], 0
        while i < len(words):
            if words[i] in ("-o", "-MF", "-MQ", "-MT"):
                i += 1
            elif words[i] not in dropped and not words[i].startswith(("-W", "-fdiagnostics")):
                kept.append(words[i])
            i += 1
        kept[1:1] = [f"-I{scratch}", "-w", "-fdiagnostics-color=never", f"-ffile-prefix-map={scratch}/=", *([] if exactly else ["-O1"])]
        return kept

    def _headers_of(self, obj, source, words):
        """What a source includes, compiled before: the same for all of its mutants, and most of the work. None if it can't be."""
        text = "\n".join(INCLUDES.findall(source.read_text())) + "\n"
        header = self.scratch / "headers" / hashlib.sha256(f"{obj}\n{text}".encode()).hexdigest()[:16] / "all.hpp"
        compiled = header.with_suffix(".hpp.gch")
        with self._lock_of(header):
            if not header.parent.is_dir():
                header.parent.mkdir(parents=True)
                header.write_text(text)
                at = words.index("-c")
                self._run(words[:at] + ["-x", "c++-header", str(header)] + words[at + 2:] + ["-o", str(compiled)])
        return header if compiled.is_file() else None

    def _lock_of(self, key):
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())

    def original(self, obj, path, text, scratch, exactly=False):
        """The digest of an object of the original, which is compiled when somebody first asks for it."""
        key = (obj, path, text, exactly)
        with self._lock_of(key):
            if key not in self._originals:
                place(scratch, path, text)
                output = scratch / "original.o"
                if self.compile(obj, path, scratch, output, exactly):
                    raise RuntimeError(f"{path} itself does not compile into {obj}; build it first")
                self._originals[key] = digest(output)
            return self._originals[key]


def place(scratch, path, text):
    at = scratch / path
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(text)


def digest(path):
    return hashlib.sha256(path.read_bytes()).digest()
