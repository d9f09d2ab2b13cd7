"""Measures, and writes into docs/performance.md: see tests/performance/run."""

import argparse
import contextlib
import os
import platform
import re
from pathlib import Path

import fleet
import tables
from calls import Bench
from functions import Function, ours, python, shipped


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/performance/run", description=__doc__)
    parser.add_argument("what", choices=["all", "calls", "fleet"], nargs="?", default="all")
    parser.add_argument("--rounds", type=int, default=21, help="of the calls; an odd number (%(default)s)")
    parser.add_argument("--mailboxes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="of the fleets")
    parser.add_argument("--short", action="store_true", help="one round, a small fleet, nothing written: does it run?")
    parser.add_argument("--built", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--hello", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    built, hello, work = options.built.resolve(), options.hello.resolve(), options.work.resolve()
    if options.short:
        options.rounds, options.mailboxes = 1, [250]
    # Ahead of what else the machine does, where that is allowed; so is the control group (processor.py).
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    results = {}
    if options.what in ("all", "calls"):
        measured = [ours(tables.HELLO, hello, {}, {}, None), *shipped(built), *in_python(work)]
        results["calls"] = calls(measured, options.rounds, 1 if options.short else 3, work)
    if options.what in ("all", "fleet"):
        results["fleet"] = fleet.measure(built, options.mailboxes, work)
    for part, text in results.items():
        print(f"\n{text}\n")
        if not options.short:
            tables.write(Path(__file__).resolve().parents[3] / "docs/performance.md", part, text)


def in_python(work: Path) -> list[Function]:
    """None, where what they need could not be fetched."""
    package, interpreter = work / "python", work / "venv/bin/python3"
    handlers = ["lambda_function", "client_at_import"] if package.is_dir() else []
    return [python(name, package, interpreter, handler) for name, handler in zip(tables.PYTHON, handlers)]


def calls(measured: list[Function], rounds: int, warm_calls: int, work: Path) -> str:
    about = [tables.machine()]
    bench = Bench(measured, work)
    if (work / "python").is_dir():
        about.append(f"Python {platform.python_version()}, {packages(work / 'python.requirements')}.")
    about.append(f"Medians of {rounds} rounds. Shares of a processor by {bench.limiter.name}.")
    result = bench.run(rounds, warm_calls)
    return tables.of_calls(result, [function.name for function in measured], " ".join(about))


def packages(requirements: Path) -> str:
    """What the function in Python was made of."""
    pinned = re.findall(r"^(\S+)==(\S+)$", requirements.read_text(), re.MULTILINE)
    return ", ".join(f"{name} {version}" for name, version in pinned)


main()
