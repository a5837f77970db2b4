#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Unpacks what a guest machine takes: QEMU, unless a good one is installed, and a kernel of Debian's: fetch_guest.py FOLDER

Nothing is installed: packages are downloaded as files and unpacked, since nobody wants a hypervisor and a second kernel
on a machine for the sake of one test. Debian 12's own QEMU has no igb, the network card with a PTP clock that this is
about, so there both come from its backports, by an apt configuration of our own that touches the machine's in nothing.

Does nothing if all is in the folder already; several runs at once wait for one another. Afterwards FOLDER has

  kernel/vmlinuz           kernel/modules/NN-NAME.ko, to be loaded in that order
  usr/bin/qemu-system-x86_64 with its libraries and firmware, unless the installed one serves

Exit status: 0 ready, 1 could not be had (why is on standard error), 2 usage.
"""

import lzma
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import fetched_folder  # noqa: E402
from fetched_folder import Failure  # noqa: E402

EMULATOR = "qemu-system-x86_64"
CARD = "igb"
# In the order in which they are loaded: those that others need first.
MODULES = ("dca", "i2c-algo-bit", "igb", "ptp_kvm", "irqbypass", "vfio", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci")
SOURCE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {suite} main\n"
LIMIT_S = 300


def run(*command, cwd=None, env=None):
    return fetched_folder.run(*command, cwd=cwd, env=env, limit_s=LIMIT_S, purpose="QEMU and the kernel are fetched")


# --- what a folder has ---------------------------------------------------------------------------------------------------------


def libraries(folder):
    """The environment in which programs of the folder find their libraries."""
    places = [folder / root / "x86_64-linux-gnu" for root in ("usr/lib", "lib")]
    return dict(os.environ, LD_LIBRARY_PATH=":".join(str(p) for p in places))


def emulator(folder):
    """(command, environment, options) of a QEMU with the card, or None. Debian's firmware lies in folders of its own."""
    unpacked = folder / "usr/bin" / EMULATOR
    if unpacked.is_file():
        firmware = [word for name in ("qemu", "seabios") for word in ("-L", str(folder / "usr/share" / name))]
        return str(unpacked), libraries(folder), firmware
    installed = shutil.which(EMULATOR)
    if installed is None:
        return None
    devices = subprocess.run([installed, "-device", "help"], capture_output=True, text=True, check=False).stdout
    return (installed, dict(os.environ), []) if f'name "{CARD}"' in devices else None


def kernel(folder):
    """(image, modules in their order)."""
    return folder / "kernel/vmlinuz", sorted((folder / "kernel/modules").glob("*.ko"))


def is_complete(folder):
    image, modules = kernel(folder)
    return image.is_file() and len(modules) == len(MODULES) and emulator(folder) is not None


# --- fetching ------------------------------------------------------------------------------------------------------------------


def release():
    try:
        words = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    except OSError:
        words = {}
    if words.get("ID", "").strip('"') != "debian" or platform.machine() != "x86_64":
        raise Failure("the guest is Debian's kernel under Debian's QEMU, and this is no Debian on x86-64")
    return words.get("VERSION_CODENAME", "").strip('"')


class Apt:
    """Debian's archive with nothing of the machine's own configuration, but what is installed here."""

    def __init__(self, folder):
        name = release()
        suites = [name, f"{name}-backports"] if name == "bookworm" else [name]
        self.suite = suites[-1]
        (folder / "lists/partial").mkdir(parents=True)
        (folder / "cache/archives/partial").mkdir(parents=True)
        (folder / "sources.list").write_text("".join(SOURCE.format(suite=suite) for suite in suites))
        (folder / "apt.conf").write_text(f'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "-";\n'
                                         f'Dir::State::lists "{folder}/lists";\nDir::Cache "{folder}/cache";\n'
                                         'Acquire::Retries "3";\nAPT::Sandbox::User "root";\n')
        self.env = dict(os.environ, APT_CONFIG=str(folder / "apt.conf"))
        run("apt-get", "-q", "update", env=self.env)

    def missing(self, package):
        """NAME=VERSION of the package, and of all that an installation would bring along."""
        plan = run("apt-get", "-s", "install", "-t", self.suite, "--no-install-recommends", package, env=self.env)
        return [f"{name}={version}" for name, version in re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", plan, re.M)]

    def kernel(self):
        told = run("apt-cache", "show", f"linux-image-amd64/{self.suite}", env=self.env)
        found = re.search(r"^Depends: (linux-image-\S+)", told, re.M)
        if not found:
            raise Failure(f"linux-image-amd64 of {self.suite} names no kernel")
        return found.group(1)

    def unpack(self, packages, to):
        with tempfile.TemporaryDirectory(dir=to.parent) as archives:
            run("apt-get", "-q", "download", "-t", self.suite, *packages, cwd=archives, env=self.env)
            for archive in sorted(pathlib.Path(archives).glob("*.deb")):
                run("dpkg-deb", "-x", archive, to)


def take_kernel(unpacked, folder):
    images = list(unpacked.glob("boot/vmlinuz-*"))
    if len(images) != 1:
        raise Failure(f"the kernel's package has {len(images)} kernels")
    modules = folder / "kernel/modules"
    modules.mkdir(parents=True)
    shutil.copy(images[0], folder / "kernel/vmlinuz")
    for number, name in enumerate(MODULES):
        found = [f for f in unpacked.rglob(f"{name}.ko*") if f.is_file()]
        if len(found) != 1:
            raise Failure(f"the kernel's package has {len(found)} modules {name}")
        content = found[0].read_bytes()
        target = modules / f"{number:02}-{name}.ko"
        target.write_bytes(lzma.decompress(content) if found[0].suffix == ".xz" else content)


def unpack_into(folder):
    apt = Apt(pathlib.Path(tempfile.mkdtemp(prefix="apt.", dir=folder)))
    if emulator(folder) is None:
        apt.unpack(apt.missing("qemu-system-x86"), folder)
    scratch = folder / "unpacked"
    scratch.mkdir()
    apt.unpack([apt.kernel()], scratch)
    take_kernel(scratch, folder)
    shutil.rmtree(scratch)
    for left in folder.glob("apt.*"):
        shutil.rmtree(left)
    if not is_complete(folder):
        raise Failure(f"the packages of {apt.suite} lack a {EMULATOR} with the card {CARD}")


def fetch(folder):
    fetched_folder.fetch(folder, is_complete, unpack_into)


if __name__ == "__main__":
    sys.exit(fetched_folder.main("fetch_guest", sys.argv[1:], is_complete, unpack_into))
