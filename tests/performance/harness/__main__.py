"""Measures, and writes into docs/performance.md: see tests/performance/run."""

import argparse
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
    parser.add_argument("--python", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--interpreter", type=Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    repository = Path(__file__).resolve().parents[3]
    work = options.python.parent.resolve()
    if options.short:
        options.rounds, options.mailboxes = 1, [250]
    results = {}
    if options.what in ("all", "calls"):
        results["calls"] = calls(options, work)
    if options.what in ("all", "fleet"):
        results["fleet"] = fleet.measure(options.built.resolve(), options.mailboxes, work)
    for part, text in results.items():
        print(f"\n{text}\n")
        if not options.short:
            tables.write(repository / "docs/performance.md", part, text)


def calls(options: argparse.Namespace, work: Path) -> str:
    measured = all_functions(options)
    bench = Bench(measured, work)
    about = f"{tables.machine()} {packages(options.python)}. Medians of {options.rounds} rounds. "
    if bench.group.made:
        about += f"The shares are quotas of cgroup {bench.group.kind}."
    else:
        about += "No control group could be made, so nothing stands for the shares."
    result = bench.run(options.rounds, warm_calls=1 if options.short else 3)
    return tables.of_calls(result, [function.name for function in measured], about)


def packages(python_package: Path) -> str:
    """What the function in Python was made of."""
    pinned = (python_package.parent / "python.requirements").read_text()
    named = [f"{name} {version}" for name, version in re.findall(r"^(\S+)==(\S+)$", pinned, re.MULTILINE)]
    return ", ".join([f"Python {platform.python_version()}", *named])


def all_functions(options: argparse.Namespace) -> list[Function]:
    built, hello, package = options.built.resolve(), options.hello.resolve(), options.python.resolve()
    handlers = zip(tables.PYTHON, ["lambda_function", "client_at_import"])
    return [
        ours(tables.HELLO, hello, {}, {}, None),
        *shipped(built),
        *[python(name, package, options.interpreter.absolute(), handler) for name, handler in handlers],
    ]


main()
