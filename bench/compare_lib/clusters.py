"""Three nodes of etcd or tenaz on loopback, with default settings and data directories of their own."""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

NODES = 3
TICKS = os.sysconf("SC_CLK_TCK")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def request(port, method, path, body=None, timeout=5):
    """(status, body), or None if there was no answer. A body is JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Cluster:
    """Subclasses say how a node is started and how one asks it."""

    name = ""
    bench_options = []

    def __init__(self, directory):
        self.directory = Path(directory)
        ports = free_ports(2 * NODES)
        self.client_ports, self.peer_ports = ports[:NODES], ports[NODES:]
        self.processes = [None] * NODES
        for node in range(NODES):
            (self.directory / f"node-{node + 1}").mkdir(parents=True)

    def command(self, node):
        raise NotImplementedError

    def put(self, port, timeout):
        raise NotImplementedError

    def leads(self, port):
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def start(self):
        for node in range(NODES):
            with open(self.directory / f"node-{node + 1}.log", "ab") as log:
                self.processes[node] = subprocess.Popen(self.command(node), stdout=log, stderr=log)

    def wait_leader(self, patience=60):
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if any(self.leads(port) for port in self.client_ports) and self.first_write(0) is not None:
                return
            self.check_alive()
            time.sleep(0.1)
        raise RuntimeError(f"{self.name}: no leader within {patience} s; logs in {self.directory}")

    def check_alive(self):
        for node, process in enumerate(self.processes):
            if process.poll() is not None:
                log = (self.directory / f"node-{node + 1}.log").read_text(errors="replace")
                raise RuntimeError(f"{self.name}: node {node + 1} ended with {process.returncode}:\n{log[-2000:]}")

    def kill(self):
        """kill -9 of all nodes."""
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGKILL)
        for process in self.processes:
            if process is not None:
                process.wait()

    def first_write(self, since, patience=120):
        """Seconds from `since` to the first acknowledged write; every node is asked at once. None: there was none."""
        done = threading.Event()
        at = []

        def ask(port):
            until = time.monotonic() + patience
            while not done.is_set() and time.monotonic() < until:
                if self.put(port, timeout=2):
                    at.append(time.monotonic())
                    done.set()
                else:
                    time.sleep(0.005)

        threads = [threading.Thread(target=ask, args=(port,)) for port in self.client_ports]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return min(at) - since if at else None

    def usage(self):
        """CPU seconds and bytes written of all nodes since they started, resident bytes per node."""
        cpu, written, resident = 0.0, 0, []
        for process in self.processes:
            proc = Path("/proc") / str(process.pid)
            fields = (proc / "stat").read_text().rsplit(")", 1)[1].split()
            cpu += (int(fields[11]) + int(fields[12])) / TICKS
            io = dict(line.split(": ") for line in (proc / "io").read_text().splitlines())
            written += int(io["write_bytes"])
            status = (proc / "status").read_text()
            resident.append(int(status.split("VmRSS:")[1].split()[0]) * 1024)
        return {"cpu": cpu, "written": written, "resident": resident}

    def endpoints(self):
        return ",".join(f"http://127.0.0.1:{port}" for port in self.client_ports)


class Etcd(Cluster):
    name = "etcd"
    bench_options = ["--etcd"]

    def command(self, node):
        url = "http://127.0.0.1:{}".format
        members = ",".join(f"n{i + 1}={url(port)}" for i, port in enumerate(self.peer_ports))
        client, peer = url(self.client_ports[node]), url(self.peer_ports[node])
        return [
            "etcd", "--name", f"n{node + 1}", "--data-dir", str(self.directory / f"node-{node + 1}"),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", members, "--initial-cluster-token", self.directory.name,
        ]

    def put(self, port, timeout):
        answer = request(port, "POST", "/v3/kv/put", b'{"key":"Zmlyc3Q=","value":"eA=="}', timeout)
        return answer is not None and answer[0] == 200

    def leads(self, port):
        answer = request(port, "POST", "/v3/maintenance/status", b"{}", 2)
        if answer is None or answer[0] != 200:
            return False
        status = json.loads(answer[1])
        return status.get("leader") == status["header"]["member_id"]

    def version(self):
        return subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]


class Tenaz(Cluster):
    name = "tenaz"

    def __init__(self, directory, binary):
        super().__init__(directory)
        self.binary = str(binary)
        members = "".join(
            f'\n[[cluster.members]]\nid = {i + 1}\npeer = "127.0.0.1:{peer}"\nclient = "127.0.0.1:{client}"\n'
            for i, (peer, client) in enumerate(zip(self.peer_ports, self.client_ports)))
        for node in range(NODES):
            text = (
                f'[node]\nid = {node + 1}\ndata_dir = "{self.directory}/node-{node + 1}"\n'
                f'\n[http]\nlisten = "127.0.0.1:{self.client_ports[node]}"\n'
                f'\n[peer]\nlisten = "127.0.0.1:{self.peer_ports[node]}"\n'
                f'\n[cluster]\nname = "compare"\n{members}')
            (self.directory / f"node-{node + 1}.toml").write_text(text)

    def command(self, node):
        return [self.binary, "--config", str(self.directory / f"node-{node + 1}.toml")]

    def put(self, port, timeout):
        answer = request(port, "PUT", "/v1/kv/first", b"x", timeout)
        return answer is not None and answer[0] in (200, 201)

    def leads(self, port):
        answer = request(port, "GET", "/v1/status", None, 2)
        return answer is not None and answer[0] == 200 and json.loads(answer[1])["role"] == "leader"

    def version(self):
        return subprocess.run([self.binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()

    def metrics(self):
        """All nodes' metric texts."""
        return [request(port, "GET", "/metrics")[1].decode() for port in self.client_ports]
