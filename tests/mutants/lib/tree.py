"""A copy of the sources with a build of its own, in which mutants are put in and taken out again."""

import os
import subprocess
from pathlib import Path

from lib import mutant as mutants


class BuildFailed(Exception):
    pass


class Tree:
    """`folder`/tree is the copy, `folder`/tree/build/release its build: the same shape as the project, so that ccache
    knows the files again."""

    def __init__(self, root, folder, jobs):
        self.root = Path(root)
        self.source = Path(folder) / "tree"
        self.build_dir = self.source / "build" / "release"
        self.jobs = jobs
        self.environment = {**os.environ, "CCACHE_BASEDIR": str(self.source), "CCACHE_NOHASHDIR": "1"}

    def refresh(self):
        """Takes over what has changed, and nothing else: what stays the same need not be built again."""
        listed = subprocess.run(["git", "-C", self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                check=True, capture_output=True).stdout.decode().split("\0")
        wanted = {file for file in listed if file and (self.root / file).is_file()}
        for file in wanted:
            content = (self.root / file).read_bytes()
            copy = self.source / file
            if copy.is_file() and copy.read_bytes() == content:
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
            copy.chmod((self.root / file).stat().st_mode)
        for path in self.source.rglob("*"):
            inside = path.relative_to(self.source)
            if inside.parts[0] != "build" and path.is_file() and str(inside) not in wanted:
                path.unlink()

    def configure(self):
        """With the options of the project's own build, if there is one: then ccache knows everything."""
        cache = self.root / "build" / "release" / "CMakeCache.txt"
        warnings_are_errors = cache.is_file() and "TENAZ_WERROR:BOOL=ON" in cache.read_text()
        self._run(["cmake", "--preset", "release", "-Wno-dev", f"-DTENAZ_WERROR={'ON' if warnings_are_errors else 'OFF'}"])

    def build(self, targets):
        self._run(["cmake", "--build", self.build_dir, "-j", str(self.jobs), "--target", *targets])

    def _run(self, command):
        done = subprocess.run([str(part) for part in command], cwd=self.source, env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise BuildFailed(done.stdout.decode(errors="replace")[-4000:])

    def put_in(self, mutant):
        """Returns what take_out() needs."""
        files = mutants.mutated(mutant, self.source)
        for file, (_, after) in files.items():
            (self.source / file).write_text(after)
        return files

    def take_out(self, files):
        for file, (before, _) in files.items():
            (self.source / file).write_text(before)
