# SPDX-License-Identifier: Apache-2.0
"""A network of hosts on one machine: a namespace for each, joined by a bridge in a namespace of its own.

Whatever a run makes carries its pid in its name (`gnomon-cluster-<pid>-*`), and it holds a lock in its folder while it
lives. So the next run can tell what a run that was killed has left behind, and removes that and nothing else.
One thread only: entering a namespace and PR_SET_PDEATHSIG are affairs of a thread.
"""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

PREFIX = "gnomon-cluster-"
RUN_NETNS = pathlib.Path("/run/netns")
SHARED_MEMORY = pathlib.Path("/dev/shm")
BRIDGE = "bridge0"
SUBNET = "10.77.0"
HOST_ID_OF_OPERATOR = 254  # the bridge's own address: where commands of the operator come from
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
GONE_LIMIT_S = 5

libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    pass


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"'ip {' '.join(words)}' failed: {done.stderr.strip()}")
    return done.stdout


def enter(descriptor):
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "entering a network namespace")


@contextlib.contextmanager
def inside(namespace):
    """Sockets that are made inside stay in that namespace."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(RUN_NETNS / namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(there)
        try:
            yield
        finally:
            enter(before)
    finally:
        os.close(there)
        os.close(before)


def start(namespace, command, environment=None, log=None, death_signal=signal.SIGKILL):
    """A child in that namespace, which dies with this process whatever ends it."""
    parent = os.getpid()

    def prepare():
        libc.prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            os._exit(1)  # the parent was gone before its death could be noticed

    ways = {}
    if log is not None:
        # A group of its own: Ctrl-C at the terminal is for the run, which ends its children in order.
        ways = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT, "process_group": 0}
    with inside(namespace):
        return subprocess.Popen(command, env=environment, preexec_fn=prepare, **ways)


class Network:
    """Hosts with the addresses 10.77.0.1 ..., and the namespace of the bridge, from which all can be reached."""

    def __init__(self, hosts):
        self.prefix = f"{PREFIX}{os.getpid()}"
        self.operator = f"{self.prefix}-net"
        self._namespaces = [self.operator] + [self.host(n) for n in range(1, hosts + 1)]
        for namespace in self._namespaces:
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", self.operator, "link", "add", BRIDGE, "type", "bridge")
        ip("-n", self.operator, "address", "add", f"{SUBNET}.{HOST_ID_OF_OPERATOR}/24", "dev", BRIDGE)
        ip("-n", self.operator, "link", "set", BRIDGE, "up")
        for number in range(1, hosts + 1):
            self._connect(number)

    def host(self, number):
        return f"{self.prefix}-{number}"

    @staticmethod
    def address(number):
        return f"{SUBNET}.{number}"

    def _connect(self, number):
        namespace, port = self.host(number), f"host{number}"
        ip("-n", self.operator, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        ip("-n", self.operator, "link", "set", port, "master", BRIDGE, "up")
        ip("-n", namespace, "address", "add", f"{self.address(number)}/24", "dev", "eth0")
        ip("-n", namespace, "link", "set", "eth0", "up")

    def plug(self, number, connected):
        """Pulls the cable of a host, or puts it back. What runs there goes on and can't be reached."""
        ip("-n", self.operator, "link", "set", f"host{number}", "up" if connected else "down")

    def namespaces(self):
        return list(self._namespaces)


def folder_of(pid):
    return pathlib.Path(tempfile.gettempdir()) / f"{PREFIX}{pid}"


def new_folder():
    """The folder of this run, and its lock: held until the process is gone, however it ends."""
    folder = folder_of(os.getpid())
    folder.mkdir(mode=0o700)
    lock = open(folder / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def lives(pid):
    """Whether the run of that pid is still there. A pid may belong to somebody else by now; the lock can't."""
    try:
        with open(folder_of(pid) / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        # No lock: the run is about to make it, or somebody has removed its folder.
        with contextlib.suppress(OSError):
            return b"cluster.py" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        return False


def remove(pid):
    """All that the run of that pid has made; its processes first, found by the namespaces that they are in."""
    namespaces = [name for name in all_namespaces() if name.startswith(f"{PREFIX}{pid}-")]
    until = time.monotonic() + GONE_LIMIT_S
    while running := [int(found) for name in namespaces for found in ip("netns", "pids", name).split()]:
        if time.monotonic() > until:
            raise Failure(f"processes {running} of {PREFIX}{pid} do not go")
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.02)
    for name in namespaces:
        ip("netns", "delete", name)
    for page in SHARED_MEMORY.glob(f"gnomon.{instance_of(pid, '*')}.*"):
        page.unlink(missing_ok=True)
    shutil.rmtree(folder_of(pid), ignore_errors=True)


def instance_of(pid, number):
    """Names a gnomond on this machine: shared memory has no namespace here."""
    return f"cluster-{pid}-{number}"


def all_namespaces():
    return [path.name for path in RUN_NETNS.glob(f"{PREFIX}*-*")] if RUN_NETNS.is_dir() else []


def remove_leftovers():
    """Of runs that are gone; how many there were."""
    places = [path.name for path in folder_of("").parent.glob(f"{PREFIX}*")] + all_namespaces()
    pids = {int(match[1]) for name in places if (match := re.match(rf"{PREFIX}(\d+)(?:-|$)", name))}
    dead = [pid for pid in sorted(pids) if pid != os.getpid() and not lives(pid)]
    for pid in dead:
        remove(pid)
    return len(dead)
