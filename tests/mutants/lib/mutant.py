"""What a mutant is, and how it is put into a source tree. The format is described in tests/mutants/README.md."""

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path

LIST = Path(__file__).resolve().parent.parent / "list"
ROWS = 39  # M1..M39 of the list of hazards


class Fault(Exception):
    """A mutant that cannot be read or does not fit the tree."""


@dataclass
class Edit:
    file: str
    find: str
    replace: str


@dataclass
class Catcher:
    """A test that must go red: a program and, for gtest programs, a filter; for the simulator, its options."""

    program: str
    argument: str

    def __str__(self):
        return f"{self.program} {self.argument}".strip()


@dataclass
class Mutant:
    name: str  # M7, M24b, T3
    title: str = ""
    here: str = ""  # what the bug is in this code
    cannot: str = ""  # why it cannot be put in
    catchers: list = field(default_factory=list)
    edits: list = field(default_factory=list)

    @property
    def row(self):
        return re.match(r"[A-Z]\d+", self.name).group()

    @property
    def order(self):
        letter, number, variant = re.match(r"([A-Z])(\d+)(.*)", self.name).groups()
        return letter, int(number), variant


def parse(name, text):
    """A head of "key: value" lines (longer values go on in indented lines), then the edits."""
    mutant = Mutant(name)
    head, *blocks = re.split(r"^@@ ", text, flags=re.M)
    key = None
    values = []
    for line in head.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace() and values:
            values[-1][1] += " " + line.strip()
            continue
        key, _, value = line.partition(":")
        values.append([key.strip(), value.strip()])
    for key, value in values:
        if key == "catch":
            program, _, argument = value.partition(" ")
            mutant.catchers.append(Catcher(program, argument.strip()))
        elif key in ("title", "here", "cannot"):
            setattr(mutant, key, value)
        else:
            raise Fault(f"{name}: unknown key '{key}'")
    for block in blocks:
        mutant.edits.append(parse_edit(name, block))
    check(mutant)
    return mutant


def parse_edit(name, block):
    file, _, rest = block.partition("\n")
    parts = re.split(r"^(==+)$\n?", rest, flags=re.M)
    if len(parts) != 3:
        raise Fault(f"{name}: an edit is '@@ FILE', the text to find, a line of '====', and what takes its place")
    return Edit(file.strip(), parts[0].strip("\n"), parts[2].rstrip("\n"))


def check(mutant):
    if not mutant.title:
        raise Fault(f"{mutant.name}: has no title")
    if mutant.cannot:
        if mutant.edits or mutant.catchers:
            raise Fault(f"{mutant.name}: says that it cannot be put in, yet has edits or catchers")
    elif not mutant.edits or not mutant.catchers or not mutant.here:
        raise Fault(f"{mutant.name}: needs 'here', at least one 'catch' and at least one edit")


def read_all(folder=LIST):
    mutants = [parse(path.stem, path.read_text()) for path in folder.glob("*.mutant")]
    return sorted(mutants, key=lambda m: m.order)


def without_space(text):
    """The text without white space, and where each of its characters stood."""
    kept = [(c, i) for i, c in enumerate(text) if not c.isspace()]
    return "".join(c for c, _ in kept), [i for _, i in kept]


def replace_once(name, file, content, edit):
    """White space is not compared, so that a line that was wrapped or moved stays found."""
    compact, places = without_space(content)
    wanted, _ = without_space(edit.find)
    found = [m.start() for m in re.finditer(f"(?={re.escape(wanted)})", compact)]
    if len(found) != 1:
        how_often = "no more" if not found else f"{len(found)} times"
        raise Fault(f"{name}: its text stands {how_often} in {file}:\n{edit.find}")
    begin, end = places[found[0]], places[found[0] + len(wanted) - 1] + 1
    return content[:begin] + edit.replace.strip() + content[end:]


def mutated(mutant, tree):
    """The files that the mutant changes, as {path: (before, after)}. Raises Fault if it does not fit."""
    files = {}
    for edit in mutant.edits:
        path = Path(tree) / edit.file
        if edit.file not in files:
            if not path.is_file():
                raise Fault(f"{mutant.name}: there is no {edit.file}")
            content = path.read_text()
            files[edit.file] = (content, content)
        before, now = files[edit.file]
        files[edit.file] = (before, replace_once(mutant.name, edit.file, now, edit))
    return files


def diff(mutant, tree):
    out = []
    for file, (before, after) in mutated(mutant, tree).items():
        out += difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{file}", f"b/{file}")
    return "".join(out)


def faults(mutants, tree):
    """All that is wrong with the list, as lines."""
    out = []
    for mutant in mutants:
        try:
            mutated(mutant, tree)
        except Fault as fault:
            out.append(str(fault))
    rows = {m.row for m in mutants}
    out += [f"M{n}: no mutant, and nothing that says why" for n in range(1, ROWS + 1) if f"M{n}" not in rows]
    return out
