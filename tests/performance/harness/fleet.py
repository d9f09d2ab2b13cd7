"""A check of a fleet that is at rest, by the real binaries: how much memory and processor the checker needs for it, and
`rotation`, which looks for the checker."""

import json
from pathlib import Path

import tables
from fleet_world import FleetWorld, secrets
from functions import PAGES, ROTATION
from process import Process, Program
from processor import WHOLE_MB, Limiter, limiter
from services import Services

# With the processor share of these, the work alone takes so long.
SIZES = [128, 256, 512, 1024]


def measure(built: Path, fleets: list[int], work: Path) -> str:
    machine, unlimited = tables.machine(), limiter()
    try:
        checks, looks = zip(*[Fleet(built, mailboxes, unlimited, work).rows() for mailboxes in fleets])
    finally:
        unlimited.close()
    used = ["memory MiB", "processor s", "a mailbox, ms", "requests", *[f"with {size} MB, s" for size in SIZES]]
    return "\n\n".join([
        machine,
        tables.table(["`expiry-checker`: mailboxes", *used, "invocations"], checks),
        tables.table(["`rotation`: mailboxes in the largest of its looks", *used], looks),
    ])


class Fleet:
    def __init__(self, built: Path, mailboxes: int, unlimited: Limiter, work: Path):
        self.built, self.mailboxes, self.limiter, self.work = built, mailboxes, unlimited, work
        self.world = FleetWorld(mailboxes)
        self.services = Services(self.world.answer)

    def rows(self) -> tuple[list[str], list[str]]:
        print(f"a check of {self.mailboxes} mailboxes", flush=True)
        invocations, event = 0, self.world.scheduled()
        # As template.yaml has it.
        variables = {"ROTATION_FUNCTION": ROTATION, "CHECK_SCHEDULE": "rate(6 hours)"}
        with self.start("expiry-checker", variables) as checker:
            before = checker.processor_seconds()
            while event:
                answer = checker.invoke(event)
                assert not answer.failed, answer.payload
                invocations += 1
                event = self.world.continues()
            # Its lease, taken by each part and given back at the end. Whatever else it asks, it found something to do, and
            # something else was measured.
            lease = {"DescribeSecret": invocations, "TagResource": invocations + 1}
            calls = self.services.calls
            assert set(calls) == {"ListSecrets", "Invoke", "PutEvents", *lease}, calls
            assert all(calls[name] == count for name, count in lease.items()), calls
            check = [*self.row(self.mailboxes, checker, before), str(invocations)]
        variables = {"CALLBACK_URL": PAGES, "ENTRA_URL": self.services.url, "GRAPH_URL": self.services.url}
        with self.start("rotation", variables) as rotation:
            before = rotation.processor_seconds()
            answer = rotation.invoke(self.world.inspect)
            seen, looked_at = answer.payload["light"], secrets(self.world.inspect)
            assert len(seen) == looked_at and all("Ok" in found for found in seen.values()), answer.payload
            return check, self.row(looked_at, rotation, before)

    def start(self, name: str, variables: dict[str, str]) -> Process:
        package = self.built / name
        program = Program([str(package / "bootstrap")], package, variables)
        self.services.calls.clear()
        return Process(program, self.services.url, self.limiter, self.work / f"{name}.log")

    def row(self, mailboxes: int, process: Process, before: float) -> list[str]:
        processor = process.processor_seconds() - before
        print(f"its requests: {json.dumps(self.services.calls)}", flush=True)
        return [
            f"{mailboxes:,}",
            tables.number(process.most_memory() / 2**20),
            tables.number(processor),
            tables.number(processor / mailboxes * 1000),
            f"{self.services.calls.total():,}",
            *[tables.number(processor * WHOLE_MB / size) for size in SIZES],
        ]
