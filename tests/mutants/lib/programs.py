"""The programs that catch mutants: how they are built, run within a budget, and what their output says."""

import os
import re
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

# target: where it stands in the build directory, and what else must be built.
PROGRAMS = {
    "raft_scripts_test": ("tests/raft_scripts", []),
    "raft_test": ("tests/unit/raft", []),
    "tenaz-sim": ("tests/sim", []),
    "server_replica_test": ("tests/unit/server_replica", []),
    "storage_test": ("tests/unit/storage", []),
    "server_peer_test": ("tests/unit/server_peer", []),
    "server_app_tests": ("tests/unit/server_app", []),
    "integration_tests": ("tests/integration", ["tenazd", "tenazctl"]),
}
# Of a room that needs no other: a mutant is built in seconds.
CORE = ("raft_scripts_test", "raft_test")
# What needs no sockets.
QUICK = (*CORE, "tenaz-sim", "server_replica_test")
SIMULATOR = "tenaz-sim"


def targets(programs):
    return sorted({t for program in programs for t in [program, *PROGRAMS[program][1]]})


def executable(build, program):
    return os.path.join(build, PROGRAMS[program][0], program)


@dataclass
class Budget:
    cpu_seconds: int  # of one process
    wall_seconds: int  # the machine may be busy


@dataclass
class Ended:
    output: str
    code: int  # negative: by this signal
    cpu_seconds: float
    out_of_time: bool  # it used up its budget


def run(command, budget, environment=None):
    """Runs it in a session of its own, so that whatever it started ends with it."""
    limited = ["bash", "-c", 'ulimit -t "$1"; ulimit -c 0; shift; exec "$@"', "-", str(budget.cpu_seconds), *command]
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(limited, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   start_new_session=True, env={**os.environ, **(environment or {})})
        deadline = time.monotonic() + budget.wall_seconds
        late = False
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline and not late:
                late = True
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.02)
        try:
            os.killpg(process.pid, signal.SIGKILL)  # children that outlived it
        except ProcessLookupError:
            pass
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode(errors="replace")
    cpu = usage.ru_utime + usage.ru_stime
    used_up = process.returncode in (-signal.SIGXCPU, -signal.SIGKILL) and cpu >= budget.cpu_seconds - 1
    return Ended(text, process.returncode, cpu, late or used_up)


@dataclass
class Verdict:
    """What a catcher says of a tree."""

    red: bool
    cpu_seconds: float
    what: str  # red: which test, which seed, and the reason
    seed: int = 0  # simulator: the one that failed
    seeds: int = 0  # and how many were run
    simulated_seconds: float = 0


class Unusable(Exception):
    """The catcher says nothing: it did not run any test, or could not be run."""


def run_catcher(build, catcher, budget):
    if catcher.program == SIMULATOR:
        return run_simulator(build, catcher, budget)
    ended = run([executable(build, catcher.program), f"--gtest_filter={catcher.argument or '*'}"], budget)
    return judge_gtest(catcher, ended)


def judge_gtest(catcher, ended):
    text = ended.output
    ran = re.findall(r"^\[ RUN      \] (\S+)", text, re.M)
    if not ran:
        raise Unusable(f"{catcher}: no test of that name\n{text[-2000:]}")
    if ended.code == 0:
        return Verdict(False, ended.cpu_seconds, "")
    failed = re.findall(r"^\[  FAILED  \] (\S+?)(?:, where.*)? \(\d+ ms\)$", text, re.M)
    which = failed[0] if failed else ran[-1]
    reason = "does not end" if ended.out_of_time else first_reason(text)
    if "/" in which and reason == "actual; expected":  # a script says more by its name
        reason = "goes another way"
    seed = re.search(r"TENAZ_SEED=(\d+)", text)
    verdict = Verdict(True, ended.cpu_seconds, f"{which}: {reason}")
    if seed:
        verdict.seed = verdict.seeds = int(seed.group(1))
    return verdict


def first_reason(text):
    """What the first failure says, without the values: "solo.core().commit(), Index{0}: a majority holds entry 1"."""
    for pattern in (r"impossible state: .*", r"tenaz: fatal: .*", r"terminate called .*"):
        if found := re.search(pattern, text):
            return found.group()[:160]
    failure = re.search(r"^\S+:\d+: Failure\n((?:.+\n)+)", text, re.M)
    if not failure:
        return "ends by itself"
    lines = [line.strip() for line in failure.group(1).splitlines()]
    lines = [line for line in lines if not line.startswith(("Which is:", "Expected equality", "With diff:", "@@", "Google"))]
    return "; ".join(lines)[:160]


def run_simulator(build, catcher, budget, options=("--seeds", "1000000")):
    ended = run([executable(build, SIMULATOR), *catcher.argument.split(), *options], budget)
    if ended.code == 2:
        raise Unusable(f"{catcher}: {ended.output[-2000:]}")
    seed = re.search(r"^again: .*--seed (\d+)", ended.output, re.M)
    if not seed:
        if ended.code not in (0, -signal.SIGXCPU, -signal.SIGKILL):
            raise Unusable(f"{catcher} ends with {ended.code} and names no seed\n{ended.output[-2000:]}")
        return Verdict(False, ended.cpu_seconds, "")
    why = re.search(r"^(?:tenaz: .*|.*\bseed \d+ .*fails .*)$", ended.output, re.M)
    simulated = re.search(r"(\d+) simulated seconds", ended.output)
    number = int(seed.group(1))
    reason = re.sub(r"^.*\bseed \d+ (\(\d+ nodes\) )?fails (at [\d.]+s: )?", "", why.group()) if why else "ends by itself"
    return Verdict(True, ended.cpu_seconds, reason[:160], number, number, float(simulated.group(1)) if simulated else 0)
