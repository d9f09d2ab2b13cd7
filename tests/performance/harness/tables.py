"""The tables of docs/performance.md, each between two markers."""

import os
import platform
import re
from pathlib import Path

from calls import SIZES, Measured

HELLO, ROTATION = "hello", "rotation"
PYTHON = ["Python", "Python, client at import"]


def write(document: Path, part: str, text: str) -> None:
    begin, end = f"<!-- {part}: written by tests/performance/run -->", f"<!-- {part}: end -->"
    before, rest = document.read_text().split(begin)
    _, after = rest.split(end)
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])


def number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float | None) -> str:
    return "–" if value is None else f"{number(value)} ×"


def machine() -> str:
    """In a sentence."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    name = model[1] if model else platform.machine()
    release = re.match(r"\d+\.\d+", platform.release())[0]
    return f"{name}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} when it began; Linux {release}."


def of_calls(measured: Measured, names: list[str], about: str) -> str:
    ours = [name for name in names if name not in PYTHON]
    in_python = [name for name in names if name in PYTHON]
    return "\n\n".join([
        about,
        whole_processor(measured, names),
        "With the processor share of a memory size from the first call on, in milliseconds:",
        shares(measured, names),
        "As so many times `hello`:",
        ratios(measured, ours[1:] + in_python, HELLO),
        "As so many times `rotation`:",
        ratios(measured, in_python, ROTATION),
    ])


def whole_processor(measured: Measured, names: list[str]) -> str:
    columns = {
        "init": "init ms", "cold": "cold ms", "cold, processor": "of it processor ms",
        "cold, not cached": "cold, not cached ms", "refused": "refused ms", "warm": "warm ms",
        "warm, processor": "of it processor ms", "memory": "memory MiB", "size": "size MiB",
    }
    rows = [[name] + [number(measured.median(name, column)) for column in columns] for name in names]
    return table(["", *columns.values()], rows)


def shares(measured: Measured, names: list[str]) -> str:
    head = [""]
    for size in SIZES:
        head += [f"{size} MB: first", "warm", "a tenth above"]
    rows = []
    for name in names:
        cells = [name]
        for size in SIZES:
            cells.append(number(measured.median(name, f"first @{size}")))
            cells.append(number(measured.median(name, f"warm @{size}")))
            cells.append(number(measured.worst_tenth(name, f"warm @{size}")))
        rows.append(cells)
    return table(head, rows)


def ratios(measured: Measured, names: list[str], to: str) -> str:
    columns = {name: name for name in ["init", "cold", "cold, processor", "cold, not cached"]}
    columns |= {f"cold @{size}": f"cold, {size} MB" for size in SIZES}
    columns |= {name: name for name in ["refused", "warm", "warm, processor"]}
    columns |= {f"warm @{size}": f"warm, {size} MB" for size in SIZES}
    columns |= {"memory": "memory", "size": "size"}
    rows = [[name] + [times(measured.ratio(name, to, column)) for column in columns] for name in names]
    return table(["", *columns.values()], rows)
