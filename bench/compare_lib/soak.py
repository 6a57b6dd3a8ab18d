"""A long mixed run on tenaz: does the tail stay short while logs and files are compacted?"""


def buckets(texts, name):
    """Cumulative counts by upper bound, summed over the nodes."""
    total = {}
    for text in texts:
        for line in text.splitlines():
            if line.startswith(name + "_bucket{"):
                labels, count = line.rsplit(" ", 1)
                bound = labels.split('le="')[1].split('"')[0]
                bound = float("inf") if bound == "+Inf" else float(bound)
                total[bound] = total.get(bound, 0) + float(count)
    return total


def quantile(counts, fraction):
    """The upper bound of the bucket that holds it: never better than the truth."""
    wanted = fraction * max(counts.values(), default=0)
    return next((bound for bound, count in sorted(counts.items()) if count >= wanted), None)


def run(options, directory, make_cluster, runner):
    cluster = make_cluster(directory / "soak", options.build / "bin/tenazd")
    name = "tenaz_raft_log_sync_seconds"
    try:
        cluster.start()
        cluster.wait_leader()
        keys = ["--keys", str(options.keys)]
        runner.generator(cluster, "leader", ["--load", "-c", "256", *keys])
        before = buckets(cluster.metrics(), name)
        result = runner.generator(cluster, "even", ["-c", "64", "--mix", "put=60,get=38,list=2", "--rate", str(options.soak_rate),
                                                    "-d", str(options.soak), "--distribution", "zipf", *keys])
        after = buckets(cluster.metrics(), name)
    finally:
        cluster.kill()
    if not after:
        raise RuntimeError(f"no histogram {name} in /metrics")
    sync = {bound: count - before.get(bound, 0) for bound, count in after.items()}
    bench = result["bench"]
    lines = ["| | |", "|---|---|"]
    lines.append(f"| log sync: p50, p99, p99.9 at most | "
                 + ", ".join(f"{quantile(sync, f) * 1e3:g} ms" for f in (0.5, 0.99, 0.999)) + " |")
    for operation, report in bench["operations"].items():
        seconds = report["latency_seconds"]
        lines.append(f"| {operation}: {report['per_second']:.0f}/s; p50, p99, p99.9, max | "
                     + ", ".join(f"{seconds[p] * 1e3:.2f}" for p in ("p50", "p99", "p99.9", "max")) + " ms |")
    lines.append(f"| server CPU, of {bench['seconds']:.0f} s | {result['cpu']:.0f} s |")
    lines.append(f"| largest node | {max(result['resident']) / 2**20:.0f} MiB |")
    lines.append(f"| errors; due but never sent | {bench['errors'] or 0}; {bench['never_sent']} |")
    return f"{options.soak:.0f} s, {options.soak_rate:g} requests per second, latency from when each was due:\n\n" + "\n".join(lines)
