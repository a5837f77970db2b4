#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A cluster to try things on: an etcd member and a gnomond on each of three hosts, made of network namespaces.

It comes up, says how to talk to it, and stays until it is told to end, or until a command that it was given has ended.
Nothing is left behind: not after Ctrl-C, not after a failure, and what `kill -9` left is removed by the next start.
It runs as root, for the namespaces. Nothing that it starts can be reached from outside this machine.
"""

import argparse
import contextlib
import http.client
import os
import pathlib
import select
import shlex
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # root would leave files in a checkout that is somebody else's

import network  # noqa: E402
from network import Failure  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENT_PORT, PEER_PORT = 2379, 2380
START_LIMIT_S = 60
STOP_LIMIT_S = 10  # for a gnomond to give its rights back
POLL_S = 0.05
LOG_LINES = 15
COMMANDS = """  kill N [etcd|gnomond]   kill -9; both unless one is named
  start N [etcd|gnomond]  start what was killed
  stop N [etcd|gnomond]   SIGSTOP
  cont N [etcd|gnomond]   SIGCONT
  cut N                   pull the host's cable
  heal                    plug all cables in
  hosts                   who runs where, and how to talk to it
  quit                    end, and remove everything"""


def say(text):
    print(text, flush=True)


def shown(path):
    """A program as one would type it here."""
    path = path.resolve()
    here = pathlib.Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


class Host:
    """Two processes on one address."""

    def __init__(self, number, network_, folder, options):
        self.number, self.network, self.options = number, network_, options
        self.namespace, self.address = network_.host(number), network_.address(number)
        self.instance = network.instance_of(os.getpid(), number)
        self.folder = folder / str(number)
        (self.folder / "run").mkdir(parents=True)
        self.ready_file = self.folder / "ready"
        self.processes = {}
        self.reported = set()  # ends that are known

    @property
    def socket(self):
        return self.folder / "run" / f"{self.instance}.sock"

    def log(self, name):
        return self.folder / f"{name}.log"

    def start(self, name):
        if self.running(name):
            raise Failure(f"{name} of host {self.number} runs already")
        command, environment = self._etcd() if name == "etcd" else self._gnomond()
        self.reported.discard(name)
        with open(self.log(name), "ab") as log:
            self.processes[name] = network.start(self.namespace, command, environment, log)

    def _etcd(self):
        o = self.options
        members = [f"host{n}=http://{self.network.address(n)}:{PEER_PORT}" for n in range(1, o.hosts + 1)]
        client = f"http://{self.address}:{CLIENT_PORT}"
        peer = f"http://{self.address}:{PEER_PORT}"
        command = [o.etcd_program, "--name", f"host{self.number}", "--data-dir", self.folder / "etcd",
                   "--listen-client-urls", f"{client},http://127.0.0.1:{CLIENT_PORT}",
                   "--advertise-client-urls", client,
                   "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                   "--initial-cluster", ",".join(members), "--initial-cluster-token", self.network.prefix,
                   "--heartbeat-interval", str(o.heartbeat_ms), "--election-timeout", str(o.election_ms),
                   "--pre-vote",
                   "--auto-compaction-mode", "periodic", "--auto-compaction-retention", "10m", "--max-txn-ops", "1024",
                   *shlex.split(o.etcd_args)]
        return list(map(str, command)), {"PATH": os.environ.get("PATH", "")}

    def _gnomond(self):
        self.ready_file.unlink(missing_ok=True)
        settings = {"server.listen": f"{self.address}:14666", "server.instance": self.instance,
                    "state.dir": self.folder / "state", "store.url": self.options.store_url, "access.auth": "never"}
        settings.update(word.split("=", 1) for word in self.options.set)
        environment = {"PATH": os.environ.get("PATH", ""), "RUNTIME_DIRECTORY": str(self.folder / "run")}
        for name, value in settings.items():
            environment["GNOMON_" + name.replace(".", "_").upper()] = str(value)
        (self.folder / "gnomond.toml").touch()
        return [self.options.gnomond, "--config", str(self.folder / "gnomond.toml"), "--ready-file",
                str(self.ready_file)], environment

    def running(self, name):
        process = self.processes.get(name)
        return process is not None and process.poll() is None

    def pid(self, name):
        return self.processes[name].pid if self.running(name) else 0

    def send(self, name, sent):
        if not self.running(name):
            raise Failure(f"{name} of host {self.number} does not run")
        self.processes[name].send_signal(sent)
        if sent == signal.SIGKILL:
            self.processes[name].wait()
            self.reported.add(name)

    def deaths(self):
        """Processes that ended and that nobody has ended, once each."""
        for name, process in self.processes.items():
            status = process.poll()
            if status is not None and name not in self.reported:
                self.reported.add(name)
                how = f"with exit code {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
                yield f"{name} of host {self.number} ended {how}; its last words:\n{self.last_words(name)}"

    def last_words(self, name):
        lines = self.log(name).read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join("    " + line for line in lines)


class Cluster:
    def __init__(self, options, folder):
        self.options = options
        self.network = network.Network(options.hosts)
        self.endpoints = [f"http://{self.network.address(n)}:{CLIENT_PORT}" for n in range(1, options.hosts + 1)]
        options.store_url = "etcd:" + ",".join(self.endpoints)
        self.hosts = [Host(n, self.network, folder, options) for n in range(1, options.hosts + 1)]

    def start(self):
        self._start("etcd", self._etcd_serves)
        if not self.options.no_gnomond:
            self._start("gnomond", self._gnomond_serves)

    def _start(self, name, serves):
        for host in self.hosts:
            host.start(name)
        until = time.monotonic() + START_LIMIT_S
        for host in self.hosts:
            while not serves(host):
                for death in (words for each in self.hosts for words in each.deaths()):
                    raise Failure(death)
                if time.monotonic() > until:
                    raise Failure(f"{name} of host {host.number} does not serve after {START_LIMIT_S} s; its last "
                                  f"words:\n{host.last_words(name)}")
                time.sleep(POLL_S)

    def _etcd_serves(self, host):
        with network.inside(self.network.operator):
            connection = http.client.HTTPConnection(host.address, CLIENT_PORT, timeout=1)
            try:
                connection.request("GET", "/health")
                return b"true" in connection.getresponse().read()
            except OSError:
                return False
            finally:
                connection.close()

    def _gnomond_serves(self, host):
        if not host.ready_file.exists():
            return False
        asked = network.start(self.network.operator,
                              [self.options.gnomon, "id", "--server", host.address, "--timeout", "1"],
                              log=subprocess.PIPE)
        said = asked.communicate()[0].decode(errors="replace").strip()
        return asked.returncode == 0 and said.isdigit()

    def environment(self):
        """What a command finds about the cluster."""
        here = {"NAMESPACE": self.network.operator, "HOSTS": len(self.hosts), "ENDPOINTS": ",".join(self.endpoints),
                "STORE": self.options.store_url, "SERVERS": ",".join(host.address for host in self.hosts),
                "ETCDCTL": os.path.abspath(self.options.etcdctl), "GNOMON": os.path.abspath(self.options.gnomon),
                "FOLDER": network.folder_of(os.getpid())}
        for host in self.hosts:
            here |= {f"NAMESPACE_{host.number}": host.namespace, f"ADDRESS_{host.number}": host.address,
                     f"SOCKET_{host.number}": host.socket}
            here |= {f"{name.upper()}_PID_{host.number}": host.pid(name) for name in host.processes}
        return {f"GNOMON_CLUSTER_{name}": str(value) for name, value in here.items()}

    def describe(self):
        into = f"ip netns exec {self.network.operator}"
        say(f"{len(self.hosts)} hosts, logs and state in {network.folder_of(os.getpid())}")
        for host in self.hosts:
            processes = "".join(f"  {name} {host.pid(name) or 'down'}" for name in host.processes)
            say(f"  host {host.number}  {host.address}  namespace {host.namespace}{processes}")
            if not self.options.no_gnomond:
                say(f"          {into} {self.options.gnomon} ping --server {host.address}\n"
                    f"          {self.options.gnomon} status --socket {host.socket}\n"
                    f"          {self.options.gnomon} cluster --socket {host.socket}")
        say(f"  etcd    {into} {self.options.etcdctl} --endpoints {','.join(self.endpoints)} endpoint status -w table")

    def stop(self):
        """Rights are given back while the store is there. etcd itself is not waited for: its data go with it."""
        running = [host.processes["gnomond"] for host in self.hosts if host.running("gnomond")]
        for process in running:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
        until = time.monotonic() + STOP_LIMIT_S
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))

    def deaths(self):
        return [words for host in self.hosts for words in host.deaths()]

    # ---- what the operator may say

    def obey(self, line):
        """One command; false if it was the last."""
        words = line.split()
        if not words:
            return True
        if words == ["quit"]:
            return False
        if words == ["hosts"]:
            self.describe()
        elif words == ["heal"]:
            for host in self.hosts:
                self.network.plug(host.number, True)
        elif words[0] == "cut" and len(words) == 2:
            self.network.plug(self._host(words[1]).number, False)
        elif words[0] in ("kill", "stop", "cont", "start") and len(words) in (2, 3):
            self._to_processes(words[0], self._host(words[1]), words[2:])
        else:
            raise Failure(f"'{line.strip()}' is not a command:\n{COMMANDS}")
        return True

    def _host(self, word):
        if not word.isdigit() or not 1 <= int(word) <= len(self.hosts):
            raise Failure(f"'{word}' is no host; there are 1 to {len(self.hosts)}")
        return self.hosts[int(word) - 1]

    def _to_processes(self, what, host, named):
        if named and named[0] not in host.processes:
            raise Failure(f"'{named[0]}' is none of {', '.join(host.processes)}")
        # Unless one is named: what it can be said to.
        for name in named or [n for n in host.processes if host.running(n) != (what == "start")]:
            if what == "start":
                host.start(name)
            else:
                host.send(name, {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "cont": signal.SIGCONT}[what])


def linger(cluster, seconds):
    """Until the time is over, or the operator says so. The status: 1 if something ended by itself."""
    until = None if seconds is None else time.monotonic() + seconds
    interactive = until is None and sys.stdin.isatty()
    say(COMMANDS if interactive else "Ctrl-C or SIGTERM ends it and removes everything." if until is None else
        f"It ends by itself after {seconds} s.")
    failed = False
    while until is None or time.monotonic() < until:
        ready = select.select([sys.stdin] if interactive else [], [], [], 0.2)[0]
        for death in cluster.deaths():
            say(death)
            failed = True
        if not ready:
            continue
        line = sys.stdin.readline()
        try:
            if not line or not cluster.obey(line):
                break
        except Failure as failure:
            say(str(failure))
    return 1 if failed and not interactive else 0


def execute(cluster, command):
    asked = network.start(cluster.network.operator, ["/bin/sh", "-c", command], os.environ | cluster.environment())
    status = asked.wait()
    return status if status >= 0 else 128 - status


def find_etcd(options):
    folder = (options.etcd_folder or options.build_dir / "etcd").resolve()
    script = ROOT / "tests/control/bed/fetch_etcd.py"
    if subprocess.run([sys.executable, script, folder], stdout=subprocess.DEVNULL, check=False).returncode:
        raise Failure("etcd could not be had; the lines above say why")
    version = options.etcd or next((v for v in ("3.5", "3.4") if (folder / v / "etcd").is_file()), "3.5")
    options.etcd_program, options.etcdctl = shown(folder / version / "etcd"), shown(folder / version / "etcdctl")
    if not pathlib.Path(options.etcd_program).is_file():
        absent = folder / version / "absent.txt"
        raise Failure(f"etcd {version} is not to be had: " + (absent.read_text() if absent.is_file() else str(folder)))


def parsed(arguments):
    parser = argparse.ArgumentParser(prog="./dev cluster", description="etcd and gnomond on hosts of their own, made "
                                     "of network namespaces. Needs root.")
    add = parser.add_argument
    add("--hosts", type=int, default=3, choices=range(1, 10), metavar="N", help="how many (3)")
    add("--etcd", choices=("3.4", "3.5"), help="which etcd; the newest that can be had unless said otherwise")
    add("--heartbeat-ms", type=int, default=100, metavar="MS", help="etcd's --heartbeat-interval (100)")
    add("--election-ms", type=int, default=1000, metavar="MS", help="etcd's --election-timeout (1000)")
    add("--etcd-args", default="", metavar="TEXT", help="further arguments of every etcd")
    add("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="an option of every gnomond")
    add("--no-gnomond", action="store_true", help="etcd alone")
    add("--for", dest="seconds", type=float, metavar="SECONDS", help="end by itself")
    add("--exec", dest="command", metavar="COMMAND", help="run this once all serve, with GNOMON_CLUSTER_* in its "
        "environment, in the namespace of the bridge; end with its exit code")
    add("--clean", action="store_true", help="only remove what killed runs have left")
    add("--build-dir", type=pathlib.Path, default=ROOT / "build/release", help=argparse.SUPPRESS)
    add("--etcd-folder", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if any("=" not in word or "." not in word.split("=")[0] for word in options.set):
        parser.error("--set takes SECTION.KEY=VALUE")
    if options.seconds is not None and options.command is not None:
        parser.error("--for and --exec exclude one another")
    options.gnomond = shown(options.build_dir / "cmd/gnomond")
    options.gnomon = shown(options.build_dir / "cmd/gnomon")
    return options


def run(options):
    find_etcd(options)
    folder, lock = network.new_folder()
    with lock:
        cluster = None
        try:
            cluster = Cluster(options, folder)
            cluster.start()
            cluster.describe()
            return execute(cluster, options.command) if options.command else linger(cluster, options.seconds)
        finally:
            # Whoever is impatient with the end must not leave half of it behind.
            for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(ending, signal.SIG_IGN)
            if cluster is not None:
                cluster.stop()
            network.remove(os.getpid())


def interrupted(number, _frame):
    sys.exit(128 + number)


def main():
    options = parsed(sys.argv[1:])
    if os.geteuid():
        print("cluster: network namespaces take root", file=sys.stderr)
        return 1
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, interrupted)
    try:
        removed = network.remove_leftovers()
        if removed or options.clean:
            say(f"removed what {removed} killed runs had left")
        return 0 if options.clean else run(options)
    except (Failure, OSError) as failure:
        print(f"cluster: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
