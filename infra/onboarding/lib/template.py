"""The parameters of infra/mailbox.yaml, and whether values are good for them, before anything is asked of AWS."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Parameter:
    """A parameter of the template."""

    pattern: str | None = None
    allowed: list[str] = field(default_factory=list)
    default: str | None = None
    hint: str | None = None
    least: int | None = None
    longest: int | None = None

    def problem(self, value: str) -> str | None:
        """What is wrong with a value."""
        if self.allowed and value not in self.allowed:
            return f"is none of {', '.join(self.allowed)}"
        if self.longest is not None and len(value) > self.longest:
            return f"has more than {self.longest} characters"
        if self.least is not None and not (value.isascii() and value.isdigit() and int(value) >= self.least):
            return f"is no number from {self.least} on"
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return self.hint or f"does not match {self.pattern}"
        return None


def parameters(template: Path) -> dict[str, Parameter]:
    """Reads them. No YAML library is at hand: the file is this project's, and its form is known."""
    section = template.read_text(encoding="utf-8").split("\nParameters:\n", 1)[1]
    found: dict[str, Parameter] = {}
    of = key = ""
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        name = re.fullmatch(r"  (\w+):", line)
        said = re.fullmatch(r"    (\w+): (.*)", line)
        if name:
            of, key = name[1], ""
            found[of] = Parameter()
        elif said:
            key = said[1]
            if said[2] != ">-":
                _set(found[of], key, said[2])
        elif line.startswith("      ") and key == "AllowedPattern":
            _set(found[of], key, line.strip())
    return found


def _set(parameter: Parameter, key: str, text: str) -> None:
    plain = text.strip('"')
    if key == "AllowedPattern":
        parameter.pattern = text
    elif key == "AllowedValues":
        parameter.allowed = [value.strip().strip('"') for value in text.strip("[]").split(",")]
    elif key == "Default":
        parameter.default = plain
    elif key == "ConstraintDescription":
        parameter.hint = "is not " + plain.rstrip(".")
    elif key == "MinValue":
        parameter.least = int(plain)
    elif key == "MaxLength":
        parameter.longest = int(plain)


def problems(known: dict[str, Parameter], values: dict[str, str]) -> list[tuple[str, str]]:
    """What is wrong with the values of one mailbox: the field, and what."""
    wrong = [(name, "is no parameter of infra/mailbox.yaml") for name in values if name not in known]
    if "Backstop" in values:
        wrong.append(("Backstop", "is not for the list: it is switched on once the document is in"))
    for name, parameter in known.items():
        if name in values:
            problem = parameter.problem(values[name])
        else:
            problem = "is missing" if parameter.default is None else None
        if problem:
            wrong.append((name, problem))
    return wrong or _rules(known, values)


def _rules(known: dict[str, Parameter], values: dict[str, str]) -> list[tuple[str, str]]:
    """The template's Rules, which CloudFormation would only say at the deployment."""
    def value(name: str) -> str:
        return values.get(name, known[name].default or "")

    wrong = []
    if value("Contact").casefold() == value("Mailbox").casefold():
        wrong.append(("Contact", "is the mailbox itself, whose access may have stopped working"))
    if value("RotatorKind") != "self" and not value("RotatorClientId"):
        wrong.append(("RotatorClientId", "is missing: RotatorKind federated and secret need it"))
    if value("RotatorKind") == "secret" and not value("RotatorSecret"):
        wrong.append(("RotatorSecret", "is missing: RotatorKind secret needs it"))
    if value("Lifetime") and not value("BackstopSchedule"):
        wrong.append(("BackstopSchedule", "is missing: a Lifetime needs one (infra/mailbox.yaml)"))
    return wrong
