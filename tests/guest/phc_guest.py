#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a test program inside of a guest machine with a PTP clock: phc_guest.py PROGRAM INIT [--gtest_...]

The guest is a kernel of Debian's, a network card that QEMU emulates (igb), and a file system in memory with INIT, the
program, its libraries and drivers of the card: no disk, no network, nothing of the host. It runs on KVM where that may be
used, else on an emulated processor, which takes a minute or two more.

What the program prints comes out here, and its report is written where --gtest_output says. Where no guest can be had
(no Debian, nothing to fetch from) that report has one skipped case, and the last line says why.
Exit status: the program's; 0 if it was skipped; 1 if the guest did not come to an end.
"""

import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile
import threading
import xml.sax.saxutils

import fetch_guest

LIMIT_S = {"kvm": 120, "tcg": 600}
MEMORY_MB = 1024  # enough for a sanitizer
PROGRAM = "program"  # what INIT runs
# Of DPDK, for a program that has it; what has drivers loads them itself, from where the file DRIVERS says.
DPDK_DRIVERS = ("librte_mempool_ring", "librte_bus_pci", "librte_net_e1000")
DRIVERS = "drivers"

REPORT_OF_A_SKIP = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="1" failures="0" disabled="0" errors="0" time="0" name="AllTests">
  <testsuite name="PhcGuest" tests="1" failures="0" disabled="0" skipped="1" errors="0" time="0">
    <testcase name="Boots" status="run" result="skipped" time="0" classname="PhcGuest">
      <skipped message={reason}/>
    </testcase>
  </testsuite>
</testsuites>
"""


# --- the file system -------------------------------------------------------------------------------------------------------------


class Archive:
    """A cpio archive of the kind `newc`: Documentation/driver-api/early-userspace/buffer-format.rst."""

    def __init__(self, file):
        self.file = file
        self.count = 0
        self.folders = set()

    def entry(self, name, mode, content=b""):
        self.count += 1
        name = name.encode() + b"\0"
        fields = [self.count, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0]
        self.padded(b"070701" + b"".join(b"%08x" % field for field in fields) + name)
        self.padded(content)

    def padded(self, content):
        self.file.write(content + b"\0" * (-len(content) % 4))

    def add(self, path, source):
        for folder in reversed(pathlib.PurePosixPath(path).parents):
            if str(folder) != "." and folder not in self.folders:
                self.folders.add(folder)
                self.entry(str(folder), stat.S_IFDIR | 0o755)
        self.entry(path, stat.S_IFREG | 0o755, pathlib.Path(source).read_bytes())

    def close(self):
        self.entry("TRAILER!!!", 0)


def libraries_of(program):
    """(name in the program, file) of its shared libraries, and of the loader that finds them."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^\s*(?:\S+ => )?(/\S+) \(", told, re.M)


def dpdk_drivers(libraries):
    """Those of the DPDK among the libraries, which does not name them as such: by their place beside it and its version."""
    core = [pathlib.Path(name) for name in libraries if "/librte_eal.so." in name]
    return [str(c.with_name(c.name.replace("librte_eal", driver))) for c in core for driver in DPDK_DRIVERS]


def make_file_system(path, program, init, modules):
    libraries = libraries_of(program)
    drivers = dpdk_drivers(libraries)
    libraries = sorted({*libraries, *drivers, *(name for driver in drivers for name in libraries_of(driver))})
    with open(path, "wb") as file:
        archive = Archive(file)
        # The kernel opens it for the first program before that has mounted anything.
        archive.folders.add(pathlib.PurePosixPath("dev"))
        archive.entry("dev", stat.S_IFDIR | 0o755)
        archive.add("init", init)
        archive.add(PROGRAM, program)
        archive.entry(DRIVERS, stat.S_IFREG | 0o644, "".join(f"{name}\n" for name in drivers).encode())
        for library in libraries:
            archive.add(library.lstrip("/"), library)
        for module in modules:
            archive.add(f"modules/{module.name}", module)
        archive.close()


# --- the machine -----------------------------------------------------------------------------------------------------------------


def accelerator():
    return "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) else "tcg"


def command(folder, scratch, accel, environment):
    qemu, env, firmware = fetch_guest.emulator(folder)
    image, _ = fetch_guest.kernel(folder)
    words = ["console=ttyS0", "quiet", "panic=-1", "intel_iommu=on", "iommu=pt", "GNOMON_GUEST=1", *environment]
    processor = "host" if accel == "kvm" else "max"
    return [qemu, *firmware, "-machine", "q35,kernel-irqchip=split", "-accel", accel, "-cpu", processor, "-smp", "2",
            "-m", str(MEMORY_MB), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            # The IOMMU, and a slot of its own, so that the card can be given away.
            "-device", "intel-iommu,intremap=on,caching-mode=on", "-device", "pcie-root-port,id=root,slot=1",
            "-netdev", "hubport,id=wire,hubid=0", "-device", "igb,bus=root,netdev=wire,romfile=",
            "-serial", "stdio", "-serial", f"file:{scratch / 'report.xml'}",
            "-kernel", str(image), "-initrd", str(scratch / "initrd"), "-append", " ".join(words)], env


def boot(folder, scratch, accel, environment):
    """What came over the console. A machine that does not end in time is killed, and that is said last."""
    words, env = command(folder, scratch, accel, environment)
    said = []
    with subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as machine:
        late = threading.Timer(LIMIT_S[accel], machine.kill)
        late.start()
        try:
            for line in machine.stdout:
                said.append(line.decode(errors="replace").replace("\r", ""))
                if "KVM internal error" in said[-1]:  # QEMU stays there for whoever wants to look
                    break
        finally:
            over = not late.is_alive()
            late.cancel()
            machine.kill()
    return "".join(said) + (f"the guest did not end within {LIMIT_S[accel]} s\n" if over else "")


def run_in_guest(folder, program, init, environment):
    """(exit status of the program, its report)."""
    with tempfile.TemporaryDirectory(prefix="gnomon-guest.") as name:
        scratch = pathlib.Path(name)
        _, modules = fetch_guest.kernel(folder)
        make_file_system(scratch / "initrd", program, init, modules)
        accel = accelerator()
        print(f"guest on {accel}", flush=True)
        said = boot(folder, scratch, accel, environment)
        if accel == "kvm" and "guest: exit" not in said:
            print(f"{said}KVM is here and does not serve; once more on an emulated processor", flush=True)
            said = boot(folder, scratch, "tcg", environment)
        print(said, flush=True)
        ended = re.findall(r"^guest: exit (\d+)$", said, re.M)
        report = scratch / "report.xml"
        return int(ended[-1]) if ended else 1, report.read_text() if report.is_file() else ""


# --- main ------------------------------------------------------------------------------------------------------------------------


def split(arguments):
    """(positional, file for the report or None, environment of the program in the guest)."""
    output = [a for a in arguments if a.startswith("--gtest_output=xml:")]
    told = ["GTEST_FILTER=" + a.split("=", 1)[1] for a in arguments if a.startswith("--gtest_filter=")]
    return [a for a in arguments if not a.startswith("--")], output[-1].split(":", 1)[1] if output else None, told


def main(arguments):
    positional, report_file, told = split(arguments)
    if len(positional) != 2 or any(re.search(r"\s", word) for word in told):
        print("usage: phc_guest.py PROGRAM INIT [--gtest_filter=GLOB] [--gtest_output=xml:FILE]", file=sys.stderr)
        return 2
    program, init = (pathlib.Path(p).absolute() for p in positional)
    source = pathlib.Path(os.environ.get("GNOMON_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
    folder = source / "build/guest"
    try:
        fetch_guest.fetch(folder)
        status, report = run_in_guest(folder, program, init, told)
    except (fetch_guest.Failure, OSError) as failure:
        reason = " ".join(str(failure).split())
        status, report = 0, REPORT_OF_A_SKIP.format(reason=xml.sax.saxutils.quoteattr(reason))
        print(f"skipped: {reason}")
    if report_file and report:
        pathlib.Path(report_file).write_text(report)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
