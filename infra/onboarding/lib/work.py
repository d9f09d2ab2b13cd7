"""Says what is left to do for each mailbox, and does it."""

from __future__ import annotations

import sys
from pathlib import Path

from lib import aws
from lib.mailbox import Mailbox, Stuck

# Beside the programs, as they were called.
TEMPLATE = Path(sys.argv[0]).parent.parent / "mailbox.yaml"


def treat(mailboxes: list[tuple[str, dict[str, str]]], apply: bool, with_document: bool) -> tuple[int, int]:
    """Each mailbox has where it stands, and its parameters. One that fails keeps none of the others from it. How many had
    something to do, and how many failed."""
    changes = failed = 0
    for where, values in mailboxes:
        mailbox = Mailbox(values, TEMPLATE)
        at = f"{where}{mailbox.name} ({mailbox.stack})"
        try:
            steps = mailbox.steps(with_document)
            print(f"{at}: {'; '.join(step.what for step in steps) or 'nothing to do'}", flush=True)
            changes += bool(steps)
            for step in steps if apply else []:
                step.do()
        except (Stuck, aws.Refused) as problem:
            failed += 1
            print(f"{at}: {problem}", file=sys.stderr, flush=True)
    return changes, failed
