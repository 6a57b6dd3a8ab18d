"""Debian machines for a test: a minimal root, systemd as its first process, a network of their own. Containers by
systemd-nspawn, each on an overlay in memory, with a cgroup of its own in every hierarchy (systemd needs that).

Everything is made in private mount and process namespaces (see enter()), so that it ends with the process that entered
them, kill -9 included. Only cgroups outlive it: enter() removes its own, and those of earlier runs that were killed.
Needs root.
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import time

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
PATIENCE = 120  # seconds; only ends what has failed
BASE_PACKAGES = "systemd,systemd-sysv,dbus,iproute2,ca-certificates,curl,procps"


class Failure(Exception):
    """Something was not as it should be; its text says what."""


def run(*command, status=0, **options):
    """Output and errors of a command, which must end with `status` (None: any)."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, **options)
    if status is not None and done.returncode != status:
        raise Failure(f"{' '.join(map(str, command))}: exit {done.returncode} instead of {status}\n{done.stdout}")
    return done.stdout


def eventually(condition, what, patience=PATIENCE):
    """Waits until condition() is true and returns what it returned."""
    until = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise Failure(f"after {patience} s still not so: {what() if callable(what) else what}")
        time.sleep(0.05)


def may_raise_limits():
    """Whether this process, and so a machine, has CAP_SYS_RESOURCE."""
    with open("/proc/self/status", encoding="ascii") as status:
        effective = next(line.split()[1] for line in status if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> 24 & 1)


# --- namespaces and cgroups ----------------------------------------------------------------------------------------


def cgroup_hierarchies():
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        return [pathlib.Path(line.split()[1]) for line in mounts if line.split()[2] in ("cgroup", "cgroup2")]


def own_prefix():
    """Begins the names of what this process makes."""
    return f"tenaz-test-{os.getpid()}"


def own_cgroups():
    """Those of this process, and of processes that are gone."""
    for hierarchy in cgroup_hierarchies():
        for top in hierarchy.glob("tenaz-test-*"):
            owner = top.name.split("-")[2]
            if owner == str(os.getpid()) or not os.path.exists(f"/proc/{owner}"):
                yield top


def remove_cgroups():
    for top in own_cgroups():
        for directory, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):  # something runs in it: in a moment
                os.rmdir(directory)


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def enter(command, environment):
    """Runs `command` in namespaces of its own, in which /run is empty; then removes the cgroups it made. Its exit code."""
    remove_cgroups()
    inner = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
                              "--mount-proc", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh", *command],
                             env=environment, preexec_fn=end_with_parent)  # pylint: disable=W1509
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: inner.kill())
    try:
        while True:
            # Ctrl-C reaches the inner process too, which ends by itself.
            with contextlib.suppress(KeyboardInterrupt):
                return inner.wait()
    finally:
        # The kernel needs a moment until the last process has left its cgroup.
        for _ in range(200):
            remove_cgroups()
            if not list(own_cgroups()):
                break
            time.sleep(0.05)


def join_cgroup(name):
    """Moves this process into a new cgroup of that name, in every hierarchy."""
    for hierarchy in cgroup_hierarchies():
        directory = hierarchy / name
        directory.mkdir(exist_ok=True)
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            file = directory / inherited
            if file.exists() and not file.read_text(encoding="ascii").strip():
                with contextlib.suppress(OSError):
                    file.write_text((hierarchy / inherited).read_text(encoding="ascii"), encoding="ascii")
        (directory / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")


# --- the root file system ------------------------------------------------------------------------------------------


def debian_sources():
    """(address, suite) of Debian's own archives that this machine's apt uses; the release first."""
    text = run("apt-get", "indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(REPO_URI) $(CODENAME)", "Created-By: Packages")
    found = sorted({tuple(line.split()[2:]) for line in text.splitlines() if line.startswith("Debian main ")},
                   key=lambda source: len(source[1]))
    if not found:
        raise Failure("apt knows no Debian archive; run apt-get update")
    return found


def base_root(directory, fresh):
    """A minimal Debian in `directory`, made there once and kept."""
    if fresh:
        shutil.rmtree(directory, ignore_errors=True)
    if (directory / "complete").exists():
        return directory / "root"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    address, suite = debian_sources()[0]
    print(f"making a minimal Debian ({suite}) in {directory}: about a minute", flush=True)
    run("debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", suite, directory / "root", address)
    (directory / "complete").write_text("", encoding="ascii")
    return directory / "root"


def prepared_root(base, work, packages, resolver):
    """`base` with the `packages` (name -> file) in /packages, apt's lists of today, and all that the packages depend on
    downloaded, so that the machines share it. `resolver`: texts of resolv.conf and hosts."""
    layer = Overlay([base], work / "prepared")
    root = layer.root
    for name in ("dev", "proc"):
        run("mount", "--rbind", f"/{name}", root / name)
    (root / "etc/apt/sources.list").write_text(
        "".join(f"deb {address} {suite} main\n" for address, suite in debian_sources()), encoding="ascii")
    (root / "etc/apt/apt.conf.d/90test").write_text(
        run("apt-config", "dump", "--format", '%f "%v";%n', "Acquire::http::Proxy") +
        'APT::Install-Recommends "false";\nBinary::apt::APT::Keep-Downloaded-Packages "true";\n'
        'APT::Sandbox::User "root";\nDpkg::Use-Pty "0";\n', encoding="ascii")
    for name, text in resolver.items():
        (root / "etc" / name).unlink(missing_ok=True)
        (root / "etc" / name).write_text(text, encoding="utf-8")
    (root / "etc/machine-id").write_text("", encoding="ascii")
    (root / "packages").mkdir(exist_ok=True)
    for name, file in packages.items():
        shutil.copyfile(file, root / "packages" / name)
    for arguments in (["update"], ["install", "--download-only", *(f"/packages/{name}" for name in packages)]):
        run("chroot", root, "apt-get", "-q", "-y", *arguments, env=ENVIRONMENT)
    for name in ("dev", "proc"):
        run("umount", "--recursive", "--lazy", root / name)
    return layer


class Overlay:
    """A file system that begins as `lower` and whose changes go to memory."""

    def __init__(self, lower, work):
        self.layers = [work / "upper", *lower]
        self.root = work / "root"
        for directory in (work / "upper", work / "work", self.root):
            directory.mkdir(parents=True)
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={':'.join(map(str, lower))},upperdir={work / 'upper'},workdir={work / 'work'}", self.root)


# --- network and machines ------------------------------------------------------------------------------------------


class Network:
    """A bridge in a network namespace of its own; machine N of it is 10.77.0.N. Commands run in it reach all."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.space = f"{prefix}-net"
        run("ip", "netns", "add", self.space)
        self.ip("link", "add", "bridge", "type", "bridge")
        self.ip("address", "add", "10.77.0.254/24", "dev", "bridge")
        for device in ("lo", "bridge"):
            self.ip("link", "set", device, "up")

    def ip(self, *arguments):
        run("ip", "-n", self.space, *arguments)

    def run(self, *command, **options):
        return run("ip", "netns", "exec", self.space, *command, **options)

    def plug(self, number):
        """A network namespace for machine `number`; its name."""
        space, port = f"{self.prefix}-{number}", f"port{number}"
        run("ip", "netns", "add", space)
        self.ip("link", "add", port, "master", "bridge", "type", "veth", "peer", "name", "eth0", "netns", space)
        self.ip("link", "set", port, "up")
        for arguments in (["address", "add", f"10.77.0.{number}/24", "dev", "eth0"], ["link", "set", "eth0", "up"],
                          ["link", "set", "lo", "up"]):
            run("ip", "-n", space, *arguments)
        return space


class Machine:
    """One container. Commands run in it as root, without a terminal."""

    def __init__(self, network, number, lower, work):
        self.name = f"{network.prefix}-{number}"
        self.address = f"10.77.0.{number}"
        self.space = network.plug(number)
        self.overlay = Overlay(lower, work / self.name)
        self.console = work / f"{self.name}.console"
        self.nspawn = None
        self.init = 0
        self.boot()

    @property
    def root(self):
        """Its files, from outside."""
        return self.overlay.root

    def boot(self):
        command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--resolv-conf=off",
                   "--timezone=off", "-D", str(self.root), f"--machine={self.name}",
                   f"--network-namespace-path=/run/netns/{self.space}"]
        with open(self.console, "ab") as console:
            self.nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                           preexec_fn=lambda: join_cgroup(self.name))  # pylint: disable=W1509
        children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")

        def started():
            if self.nspawn.poll() is not None:
                raise Failure(f"{self.name} does not boot:\n{self.console.read_text(errors='replace')}")
            found = children.read_text(encoding="ascii").split()
            self.init = int(found[-1]) if found else 0
            return self.init and self.run("systemctl", "is-system-running", status=None).strip() in ("running", "degraded")

        eventually(started, lambda: f"{self.name} has booted; its console:\n{self.console.read_text(errors='replace')}")

    def command(self, words, own_network=True):
        enter_it = ["nsenter", "-t", str(self.init), "-m", "-u", "-i", "-p", "-C", *(["-n"] if own_network else [])]
        return [*enter_it, "--", "env", "-i", *(f"{name}={value}" for name, value in ENVIRONMENT.items()), *map(str, words)]

    def run(self, *words, status=0, own_network=True, **options):
        return run(*self.command(words, own_network), status=status, **options)

    def apt(self, *words, **options):
        """apt-get, by the host's network: the machine's own leads nowhere."""
        return self.run("apt-get", "-q", "-y", *words, own_network=False, **options)

    def unit(self, *names):
        """Properties of tenaz.service; the value itself if it is one."""
        lines = self.run("systemctl", "show", "tenaz", *(f"--property={name}" for name in names)).splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return found[names[0]] if len(names) == 1 else tuple(found[name] for name in names)

    def power_off(self):
        """As by its button; waits until it is off."""
        os.kill(self.init, signal.SIGRTMIN + 4)
        eventually(lambda: self.nspawn.poll() is not None, f"{self.name} is off")
