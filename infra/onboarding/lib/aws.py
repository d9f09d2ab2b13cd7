"""The AWS CLI, with whatever profile and region it is set up for."""

from __future__ import annotations

import json
import subprocess
from typing import Any


class Refused(Exception):
    """A call failed. `code` is AWS's, where it says one."""

    def __init__(self, call: str, code: str, text: str) -> None:
        super().__init__(f"{call}: {text}")
        self.code = code


def run(*arguments: str, given: str | None = None) -> str:
    """Runs a command. What is `given` is its standard input, for an argument `file:///dev/stdin`: so no secret is an
    argument, which every process of the machine may read, and none is in a file."""
    try:
        ended = subprocess.run(["aws", *arguments], input=given or "", capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Refused("aws", "", "the AWS CLI is not installed") from None
    if ended.returncode != 0:
        said = ended.stderr.strip() or ended.stdout.strip()
        # "An error occurred (ResourceNotFoundException) when calling the DescribeSecret operation: ..."
        code = said.partition("An error occurred (")[2].partition(")")[0]
        raise Refused(" ".join(["aws", *arguments[:2]]), code, said)
    return ended.stdout


def ask(*arguments: str) -> Any:
    """Runs a command and reads its answer."""
    said = run(*arguments, "--output", "json")
    return json.loads(said) if said.strip() else {}
