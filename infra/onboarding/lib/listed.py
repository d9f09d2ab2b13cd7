"""What mailboxes there are to be: the list, and what is the same for all of them. All that is wrong is said at once, by
line and field."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from lib import text
from lib.mailbox import stack_of
from lib.template import Parameter, problems


class Wrong(Exception):
    """What has to be corrected before anything is done."""

    def __init__(self, what: list[str]) -> None:
        super().__init__("\n".join(what))


@dataclass
class Line:
    """A mailbox of the list, and where it stands."""

    number: int
    values: dict[str, str]


def defaults(path: Path) -> dict[str, str]:
    """`Parameter=value`, one a line."""
    values: dict[str, str] = {}
    wrong = []
    for number, line in enumerate(text.read(path).splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            wrong.append(f"{path}, line {number}: is not Parameter=value")
        elif name.strip() in values:
            wrong.append(f"{path}, line {number}, {name.strip()}: is there twice")
        values[name.strip()] = value.strip()
    if wrong:
        raise Wrong(wrong)
    return values


def lines(path: Path, same: dict[str, str]) -> list[Line]:
    """The list, with what is the same for all. An empty cell takes that; spreadsheets put a mark before the first name,
    and separate by semicolons where the comma is a decimal point."""
    content = text.read(path)
    separator = ";" if ";" in content.partition("\n")[0] else ","
    reader = csv.DictReader(content.splitlines(), delimiter=separator, strict=True)
    wrong, listed = [], []
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        if len(set(header)) != len(header):
            wrong.append(f"{path}, line 1: a column is there twice")
        reader.fieldnames = header
        for row in reader:
            number = reader.line_num
            if None in row or None in row.values():
                wrong.append(f"{path}, line {number}: has another number of cells than line 1")
                continue
            own = {name: value.strip() for name, value in row.items() if value.strip()}
            if own:
                listed.append(Line(number, {**same, **own}))
    except csv.Error as error:
        wrong.append(f"{path}, line {max(reader.line_num, 1)}: {error}")
    if wrong:
        raise Wrong(wrong)
    return listed


def check(known: dict[str, Parameter], listed: list[Line], where: str = "") -> None:
    """Raises [`Wrong`] with all that is."""
    wrong = []
    seen: dict[str, int] = {}
    for line in listed:
        at = f"{where}line {line.number}, " if where else ""
        wrong += [f"{at}{name}: {problem}" for name, problem in problems(known, line.values)]
        name = line.values.get("Name", "")
        stack = stack_of(name, line.values.get("SystemStack", "shopmail"))
        if name and stack in seen:
            wrong.append(f"{at}Name: line {seen[stack]} has it too, or one with the same stack, {stack}")
        seen.setdefault(stack, line.number)
    if not listed:
        wrong.append(f"{where}no mailbox is listed")
    if wrong:
        raise Wrong(wrong)
