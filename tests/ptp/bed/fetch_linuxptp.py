#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Unpacks linuxptp and chrony, and the libraries that they need and this machine lacks: fetch_linuxptp.py FOLDER

Debian's packages of both start a daemon when they are installed, and chrony's replaces the user's time service: no test
may do that. So they are downloaded as files and unpacked, and what is installed on the machine stays as it is.

Does nothing if the programs are in the folder already; several runs at once wait for one another. Prints where they
are.
Exit status: 0 ready, 1 could not be had (why is on standard error), 2 usage.
"""

import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))

import fetched_folder  # noqa: E402
from fetched_folder import Failure  # noqa: E402

PACKAGES = ("linuxptp", "chrony")
PROGRAMS = ("ptp4l", "pmc", "phc2sys", "chronyd")
LISTING = "unpacked.txt"  # of the archives
LIMIT_S = 120


def run(*command, cwd=None):
    return fetched_folder.run(*command, cwd=cwd, limit_s=LIMIT_S, purpose="linuxptp and chrony are fetched")


def needed_libraries():
    """What the packages depend on, through libraries only: the rest (debconf, adduser) serves an installation."""
    found, ask = set(), PACKAGES
    while ask:
        listing = run("apt-cache", "depends", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
                      "--no-replaces", "--no-enhances", *ask)
        ask = sorted(set(re.findall(r"^  (?:Pre)?Depends: (lib[\w.+-]+)$", listing, flags=re.M)) - found)
        found.update(ask)
    return sorted(found)


def missing_libraries():
    needed = needed_libraries()
    known = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *needed], capture_output=True,
                           text=True, check=False).stdout
    installed = set(re.findall(r"^installed (\S+)$", known, flags=re.M))
    return [name for name in needed if name not in installed]


def missing_programs(folder):
    return [name for name in PROGRAMS if not (folder / "usr/sbin" / name).is_file()]


def unpack_into(folder):
    archives = folder / "archives"
    archives.mkdir()
    try:
        run("apt-get", "download", "-q", *PACKAGES, *missing_libraries(), cwd=archives)
    except Failure as failure:
        raise Failure(f"{failure}\nlinuxptp and chrony could not be downloaded. Offline, take their .deb files, and "
                      "those of libraries that this machine lacks, from elsewhere and unpack each with 'dpkg-deb -x "
                      "FILE FOLDER', FOLDER being the one given here; if the server no longer has this version, run "
                      "'apt-get update'.") from None
    names = sorted(path.name for path in archives.glob("*.deb"))
    for name in names:
        run("dpkg-deb", "-x", archives / name, folder)
    shutil.rmtree(archives)
    lacking = missing_programs(folder)
    if lacking:
        raise Failure(f"the packages {', '.join(names)} do not contain {', '.join(lacking)}")
    (folder / LISTING).write_text("".join(name + "\n" for name in names))


def is_complete(folder):
    return not missing_programs(folder)


if __name__ == "__main__":
    sys.exit(fetched_folder.main("fetch_linuxptp", sys.argv[1:], is_complete, unpack_into, "usr/sbin"))
