# SPDX-License-Identifier: Apache-2.0
"""What the checks share: the files of the checkout, their includes, and a memory of what was found clean.

A check is a module with a function check(tree) that returns a list of problems, each one line "path:line: words" or a few.
"""

import concurrent.futures
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import time

CPP_SUFFIXES = (".cpp", ".hpp", ".h", ".c")
FOLDERS = ("oracle", "platform", "proto", "ptp", "control", "dataplane", "client", "cmd", "bench", "tests")
CACHE_DAYS = 14

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


class Skip(Exception):
    """A check that can't be made here; the words say why."""


class Tree:
    def __init__(self, root, build_dir=None):
        self.root = pathlib.Path(root)
        self.build_dir = pathlib.Path(build_dir) if build_dir else self.root / "build" / "release"
        self._files = None
        self._texts = {}

    def files(self, *suffixes):
        """Relative paths of the files that are or could be committed, sorted; all of them without suffixes."""
        if self._files is None:
            self._files = [f for f in self._list() if (self.root / f).is_file()]
        return [f for f in self._files if not suffixes or f.endswith(suffixes)]

    def _list(self):
        # The checkout may belong to another user than the one who lints it.
        git = subprocess.run(["git", "-c", "safe.directory=*", "-C", self.root, "ls-files", "-z", "-co", "--exclude-standard"],
                             capture_output=True, check=False)
        if git.returncode == 0:
            return sorted(set(git.stdout.decode().strip("\0").split("\0")))
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [d for d in folders if d not in ("build", ".git", "__pycache__")]
            found += [os.path.relpath(os.path.join(folder, n), self.root) for n in names]
        return sorted(found)

    def text(self, path):
        if path not in self._texts:
            self._texts[path] = (self.root / path).read_text(errors="replace")
        return self._texts[path]

    def includes(self, path):
        """(line, included path, True if in quotes) for each include of a file."""
        text = self.text(path)
        return [(text.count("\n", 0, m.start()) + 1, m[1] or m[2], m[1] is not None) for m in INCLUDE.finditer(text)]

    def closure(self, path):
        """The file and all headers of ours that it reaches."""
        seen, todo = {path}, [path]
        while todo:
            for _, included, _ in self.includes(todo.pop()):
                if included not in seen and (self.root / included).is_file():
                    seen.add(included)
                    todo.append(included)
        return sorted(seen)

    def code(self, path):
        """The text with comments and literals blanked out; the line numbers stay."""
        return NOT_CODE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), self.text(path))

    def compile_commands(self):
        """{relative path: command} for the sources of ours that the build compiles."""
        import json
        database = self.build_dir / "compile_commands.json"
        if not database.is_file():
            raise Skip("there is no compile_commands.json; ./dev lint makes it")
        commands = {}
        for entry in json.loads(database.read_text()):
            path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
            if self.root.resolve() in path.parents and self.build_dir.resolve() not in path.parents:
                # With ccache in front or without, it is the same command.
                commands.setdefault(str(path.relative_to(self.root.resolve())), re.sub(r"^\S*ccache\s+", "", entry["command"]))
        return commands


def cache_root():
    """The folder of what this user's checkouts have found clean: a fresh clone need not look again at what an older one did."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (pathlib.Path(cache) if os.path.isabs(cache) else pathlib.Path.home() / ".cache") / "gnomon" / "lint"


@functools.cache
def installed_headers():
    """Names and versions of the packages whose headers a source may include, as one word."""
    try:
        listed = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\\n", "lib*-dev", "g++*", "clang*"],
                                capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""
    return "\n".join(sorted(line for line in listed.splitlines() if line.startswith("installed ")))


class Clean:
    """Remembers inputs that were found clean, so that a second run looks only at what changed since."""

    def __init__(self, tree, name, *common):
        self.dir = cache_root() / name
        self.tree = tree
        self.common = (*common, installed_headers())
        try:
            self.dir.mkdir(parents=True, exist_ok=True)
        except OSError:  # a home that can't be written to: remembered for this checkout alone
            self.dir = tree.build_dir.parent / "lint-cache" / name
            self.dir.mkdir(parents=True, exist_ok=True)
        for entry in self.dir.iterdir():
            try:
                if entry.stat().st_mtime < time.time() - CACHE_DAYS * 86400:
                    entry.unlink()
            except FileNotFoundError:  # another run was faster
                pass

    def key(self, path, *more):
        digest = hashlib.sha256()
        for word in self.common + more:
            digest.update(str(word).replace(str(self.tree.root), "").encode() + b"\0")
        for part in self.tree.closure(path):
            digest.update(part.encode() + b"\0" + self.tree.text(part).encode(errors="replace") + b"\0")
        return self.dir / digest.hexdigest()

    def problems(self, path, find, *more):
        """The problems that find() finds, unless the same input had none before."""
        key = self.key(path, *more)
        if key.exists():
            key.touch()
            return []
        found = find()
        if not found:
            key.touch()
        return found


def side_by_side(work, items):
    """Calls work(item) for all items on all cores; returns the concatenated lists in the items' order."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return [problem for problems in pool.map(work, items) for problem in problems]


def tool(name):
    """The path of a program of the lint packages."""
    path = shutil.which(name)
    if path is None:
        raise Skip(f"{name} is not installed; ./dev lint installs it")
    return path


def version_of(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
