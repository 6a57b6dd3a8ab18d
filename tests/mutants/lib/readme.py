"""The table in README.md, which is made from the mutants."""

import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->"


def cell(text):
    return text.replace("|", "\\|")


def table(mutants):
    lines = ["| | the bug | in our code | caught by |", "|---|---|---|---|"]
    for m in mutants:
        if m.cannot:
            lines.append(f"| {m.name} | {cell(m.title)} | cannot be put in: {cell(m.cannot)} | |")
            continue
        files = ", ".join(sorted({f"`{e.file}`" for e in m.edits}))
        by = "<br>".join(f"`{cell(str(c))}`" for c in m.catchers)
        lines.append(f"| {m.name} | {cell(m.title)} | {cell(m.here)} ({files}) | {by} |")
    return BEGIN + "\n".join(lines) + "\n" + END


def written_table():
    found = re.search(re.escape(BEGIN) + ".*?" + re.escape(END), README.read_text(), re.S)
    return found.group() if found else ""
