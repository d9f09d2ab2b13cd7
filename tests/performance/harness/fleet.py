"""The checker over a fleet that is at rest: how much memory and processor a check needs, by the real binary."""

import json
import time
from pathlib import Path

import tables
from fleet_world import FleetWorld
from functions import ROTATION
from process import Process, Program
from processor import WHOLE_MB, Limiter, limiter
from services import Services

# With the processor share of these, the work alone takes so long.
SIZES = [128, 256, 512, 1024]


def measure(built: Path, fleets: list[int], work: Path) -> str:
    machine, unlimited = tables.machine(), limiter()
    try:
        rows = [check(built, mailboxes, unlimited, work) for mailboxes in fleets]
    finally:
        unlimited.close()
    head = ["mailboxes", "memory MiB", "processor s", "a mailbox, ms", "requests", "a mailbox", "invocations"]
    head += [f"with {size} MB, s" for size in SIZES]
    return f"{machine}\n\n{tables.table(head, rows)}"


def check(built: Path, mailboxes: int, unlimited: Limiter, work: Path) -> list[str]:
    print(f"a check of {mailboxes} mailboxes", flush=True)
    world = FleetWorld(mailboxes)
    services = Services(world.answer)
    package = built / "expiry-checker"
    # As template.yaml has it.
    variables = {"ROTATION_FUNCTION": ROTATION, "CHECK_SCHEDULE": "rate(6 hours)"}
    program = Program([str(package / "bootstrap")], package, variables)
    begun, invocations, event = time.perf_counter(), 0, world.scheduled()
    with Process(program, services.url, unlimited, work / "expiry-checker.log") as process:
        before = process.processor_seconds()
        while event:
            answer = process.invoke(event)
            assert not answer.failed, answer.payload
            invocations += 1
            event = world.continues()
        processor = process.processor_seconds() - before
        memory = process.most_memory() / 2**20
    print(f"{time.perf_counter() - begun:.0f} s on this machine; requests: {json.dumps(services.calls)}", flush=True)
    requests = services.calls.total()
    return [
        f"{mailboxes:,}",
        tables.number(memory),
        tables.number(processor),
        tables.number(processor / mailboxes * 1000),
        f"{requests:,}",
        tables.number(requests / mailboxes),
        str(invocations),
        *[tables.number(processor * WHOLE_MB / size) for size in SIZES],
    ]
