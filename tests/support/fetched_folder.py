# SPDX-License-Identifier: Apache-2.0
"""A folder of programs that tests fetch and never install: filled once, by whoever comes first."""

import fcntl
import pathlib
import shutil
import subprocess
import sys
import tempfile


class Failure(Exception):
    pass


def run(*command, limit_s, purpose, cwd=None, env=None):
    """The standard output. `purpose`: what the command's program is wanted for, if this machine lacks it."""
    words = " ".join(map(str, command))
    try:
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=limit_s, check=False,
                              stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not on this machine; {purpose} the Debian way") from None
    except subprocess.TimeoutExpired:
        raise Failure(f"'{words}' did not end within {limit_s} s; is the package server reachable?") from None
    if done.returncode:
        raise Failure(f"'{words}' failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def fetch(folder, is_complete, unpack_into):
    """Fills the folder unless it is complete; several runs at once wait for one another."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_complete(folder):
            return
        # Beside its place and renamed: a run that is cut short leaves nothing that looks finished.
        fresh = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            unpack_into(fresh)
            fresh.chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def main(name, arguments, is_complete, unpack_into, within=""):
    """Of a script NAME.py FOLDER: the exit status. Prints where in the folder the programs are."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(f"usage: {name}.py FOLDER", file=sys.stderr)
        return 2
    folder = pathlib.Path(arguments[0]).absolute()
    try:
        fetch(folder, is_complete, unpack_into)
    except (Failure, OSError) as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return 1
    print(folder / within)
    return 0
