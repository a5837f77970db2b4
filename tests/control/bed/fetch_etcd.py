#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Unpacks the etcd of two Debian releases, to be run as it is and never installed: fetch_etcd.py FOLDER

Debian's package starts a server when it is installed; no test may do that. And one release has one version, while gnomon
must work with both: 3.4 (bookworm) and 3.5 (trixie). So the packages are downloaded as files, those of the release that
this machine isn't by an apt configuration of our own, which asks the machine's mirror and touches the machine's
configuration in nothing. Afterwards FOLDER has

  3.4/etcd  3.4/etcdctl  3.5/etcd  3.5/etcdctl

or, in the place of a version that could not be had, 3.x/absent.txt, which says why; it is asked for again an hour later.
Does nothing if all is in the folder already; several runs at once wait for one another.
Exit status: 0 ready, 1 no version could be had (why is on standard error), 2 usage.
"""

import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))

import fetched_folder  # noqa: E402
from fetched_folder import Failure  # noqa: E402

RELEASES = {"3.4": "bookworm", "3.5": "trixie"}
PACKAGES = ("etcd-server", "etcd-client")
PROGRAMS = ("etcd", "etcdctl")
MIRROR = "http://deb.debian.org/debian/"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ABSENT = "absent.txt"
ASK_AGAIN_S = 3600
LIMIT_S = 120
OFFLINE = ("Offline, take the etcd-server and etcd-client packages of bookworm (3.4) or trixie (3.5) from elsewhere, unpack "
           "them with 'dpkg-deb -x FILE PLACE', and copy PLACE/usr/bin/etcd and etcdctl into FOLDER/3.4 or FOLDER/3.5.")


def run(*command, cwd=None, env=None):
    return fetched_folder.run(*command, cwd=cwd, env=env, limit_s=LIMIT_S, purpose="etcd is fetched")


# --- what a folder has ---------------------------------------------------------------------------------------------------------


def has(folder, version):
    return all((folder / version / name).is_file() for name in PROGRAMS)


def is_known_absent(folder, version):
    note = folder / version / ABSENT
    return note.is_file() and abs(time.time() - note.stat().st_mtime) < ASK_AGAIN_S


def is_complete(folder):
    settled = all(has(folder, version) or is_known_absent(folder, version) for version in RELEASES)
    return settled and any(has(folder, version) for version in RELEASES)


# --- fetching ------------------------------------------------------------------------------------------------------------------


def release():
    """The code name of this machine's Debian; empty on anything else."""
    try:
        text = pathlib.Path("/etc/os-release").read_text()
    except OSError:
        return ""
    words = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    is_debian = words.get("ID", "").strip('"') == "debian"
    return words.get("VERSION_CODENAME", "").strip('"') if is_debian else ""


def mirror():
    """Where this machine takes its own release from."""
    told = run("apt-get", "indextargets", "--format", "$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
    found = re.search(rf"^Debian {release()} main (https?:\S+)$", told, re.M)
    return found.group(1) if found else MIRROR


def own_apt(folder, suite):
    """An environment in which apt knows one suite and nothing else; its signature is checked like any other."""
    (folder / "lists/partial").mkdir(parents=True)
    (folder / "cache/archives/partial").mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    (folder / "apt.conf").write_text(f'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "-";\n'
                                     f'Dir::State::lists "{folder}/lists";\nDir::Cache "{folder}/cache";\n'
                                     'Acquire::Languages "none";\nAcquire::Retries "3";\nAPT::Sandbox::User "root";\n')
    env = dict(os.environ, APT_CONFIG=str(folder / "apt.conf"))
    run("apt-get", "-q", "update", env=env)
    return env


def download(suite, archives, scratch):
    try:
        env = None if suite == release() else own_apt(scratch, suite)
        run("apt-get", "-q", "download", *PACKAGES, cwd=archives, env=env)
    except Failure as failure:
        raise Failure(f"{failure}\netcd of {suite} could not be downloaded. {OFFLINE}") from None


def unpack_version(folder, version):
    with tempfile.TemporaryDirectory(dir=folder) as place:
        scratch, archives, unpacked = (pathlib.Path(place) / name for name in ("apt", "archives", "unpacked"))
        archives.mkdir()
        download(RELEASES[version], archives, scratch)
        for archive in sorted(archives.glob("*.deb")):
            run("dpkg-deb", "-x", archive, unpacked)
        target = folder / version
        target.mkdir()
        for name in PROGRAMS:
            program = unpacked / "usr/bin" / name
            if not program.is_file():
                raise Failure(f"the packages of {RELEASES[version]} have no {name}")
            shutil.move(program, target / name)
        # A program of a newer release may want a newer C library than this machine has.
        told = run(target / "etcd", "--version")
        if f"etcd Version: {version}." not in told:
            raise Failure(f"etcd of {RELEASES[version]} is not {version}, but says: {told.strip()}")


def unpack_into(folder, present):
    """Fills `folder`; what `present` has already, or somebody has put there by hand, is not asked for again."""
    reasons = []
    for version in RELEASES:
        try:
            if has(present, version):
                shutil.copytree(present / version, folder / version)
            else:
                unpack_version(folder, version)
        except Failure as failure:
            shutil.rmtree(folder / version, ignore_errors=True)
            (folder / version).mkdir()
            (folder / version / ABSENT).write_text(f"{failure}\n")
            reasons.append(str(failure))
    if not any(has(folder, version) for version in RELEASES):
        raise Failure("\n".join(reasons))


def main(arguments):
    present = pathlib.Path(arguments[0] if arguments else ".").absolute()
    return fetched_folder.main("fetch_etcd", arguments, is_complete, lambda folder: unpack_into(folder, present))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
