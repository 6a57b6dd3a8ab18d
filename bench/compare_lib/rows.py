"""The rows of the comparison: what is measured, how, and what the goal is."""

import json
import subprocess
import time
from dataclasses import dataclass
from typing import Callable, Optional


@dataclass
class Metric:
    """One line of the table, from one row's result."""

    title: str
    unit: str
    value: Callable[[dict], Optional[float]]
    goal: str = ""
    met: Optional[Callable[[float, float], bool]] = None  # (etcd, tenaz)


def throughput(result):
    return result["bench"]["per_second"]


def latency(percentile):
    def value(result):
        operations = result["bench"]["operations"]
        return next(iter(operations.values()))["latency_seconds"][percentile] * 1e3 if operations else None

    return value


def cpu(result):
    return result["cpu"] / result["bench"]["done"] * 1000 if result["bench"]["done"] else None


def at_least(factor):
    return lambda etcd, tenaz: tenaz >= factor * etcd


def at_most(factor):
    return lambda etcd, tenaz: tenaz <= factor * etcd


def below(limit):
    return lambda _, tenaz: tenaz <= limit


# Rows on a cluster of 100,000 keys: options of tenaz-bench.
LOADS = {
    "put-1": ["-c", "1", "--mix", "put=1"],
    "put-64": ["-c", "64", "--mix", "put=1"],
    "put-256": ["-c", "256", "--mix", "put=1"],
    "get-64": ["-c", "64", "--mix", "get=1", "--consistency", "linearizable"],
    "get-local-64": ["-c", "64", "--mix", "get=1", "--consistency", "local"],
    "list-16": ["-c", "16", "--mix", "list=1", "--list-limit", "1000"],
}

# The goal is 0.6 of etcd's gRPC, which took 1.3 ms where its gateway took 1.7; only the gateway is driven here.
PUT_1_FACTOR = 0.6 * 1.3 / 1.7

METRICS = {
    "put-1": [
        Metric("put, 1 connection: p50", "ms", latency("p50"), f"≤ {PUT_1_FACTOR:.2f}× (0.6× gRPC)", at_most(PUT_1_FACTOR)),
        Metric("put, 1 connection", "/s", throughput),
    ],
    "put-64": [
        Metric("put, 64", "/s", throughput, "≥ 5×", at_least(5)),
        Metric("put, 64: p50", "ms", latency("p50")),
        Metric("put, 64: p99", "ms", latency("p99"), "≤ 1/4", at_most(0.25)),
    ],
    "put-256": [
        Metric("put, 256", "/s", throughput, "≥ 5×", at_least(5)),
        Metric("put, 256: p50", "ms", latency("p50")),
        Metric("put, 256: p99", "ms", latency("p99"), "≤ 1/4", at_most(0.25)),
        Metric("put, 256: server CPU per 1,000", "s", cpu, "≤ 0.075 s", below(0.075)),
    ],
    "get-64": [
        Metric("linearizable get, 64", "/s", throughput, "≥ 5×", at_least(5)),
        Metric("linearizable get, 64: p99", "ms", latency("p99")),
        Metric("linearizable get, 64: server CPU per 1,000", "s", cpu),
    ],
    "get-local-64": [
        Metric("local get, 64", "/s", throughput, "≥ 7×", at_least(7)),
        Metric("local get, 64: p99", "ms", latency("p99")),
    ],
    "list-16": [
        Metric("list of 1,000 keys, 16", "/s", throughput, "≥ 5×", at_least(5)),
        Metric("list of 1,000 keys, 16: p99", "ms", latency("p99")),
    ],
    "bytes": [
        Metric("bytes written per put at 256", "B", lambda r: r["written"] / r["bench"]["done"], "≤ 2,100", below(2100)),
        Metric("server CPU per 1,000 puts, long run", "s", cpu),
    ],
    "memory": [
        Metric("memory, largest node", "MiB", lambda r: max(r["resident"]) / 2**20, "≤ 150 MiB", below(150)),
    ],
    "restart": [
        Metric("all killed, restarted: first write after", "s", lambda r: r["seconds"], "≤ 1.5 s", below(1.5)),
    ],
}

ALL = list(METRICS)


class Runner:
    def __init__(self, bench, options):
        self.bench = bench
        self.options = options

    def generator(self, cluster, spread, arguments):
        """Runs tenaz-bench; its report with what the servers used meanwhile."""
        command = [str(self.bench), "--json", "--endpoints", cluster.endpoints(), "--spread", spread,
                   "--value-size", "256", "--seed", str(self.options.seed), *cluster.bench_options, *arguments]
        before = cluster.usage()
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{run.stderr}")
        after = cluster.usage()
        return {"bench": json.loads(run.stdout), "cpu": after["cpu"] - before["cpu"],
                "written": after["written"] - before["written"], "resident": after["resident"]}

    def hundred_thousand(self, cluster, spread, rows, report):
        """The rows that want a cluster of --keys keys."""
        keys = ["--keys", str(self.options.keys)]
        cluster.start()
        cluster.wait_leader()
        self.generator(cluster, "leader", ["--load", "-c", "256", *keys])
        for row in rows:
            if row in LOADS:
                report(row, self.generator(cluster, spread, [*LOADS[row], "-d", str(self.options.seconds), *keys]))
        if "bytes" in rows:
            report("bytes", self.generator(cluster, spread, ["-c", "256", "-n", str(self.options.puts), *keys]))

    def many_keys(self, cluster, rows, report):
        """Memory after --many puts, then the time that a restart of all takes."""
        cluster.start()
        cluster.wait_leader()
        loaded = self.generator(cluster, "leader", ["--load", "-c", "256", "--keys", str(self.options.many)])
        if "memory" in rows:
            report("memory", loaded)
        if "restart" in rows:
            cluster.kill()
            began = time.monotonic()
            cluster.start()
            seconds = cluster.first_write(began)
            if seconds is None:
                raise RuntimeError(f"{cluster.name}: no write after the restart")
            report("restart", {"seconds": seconds})
