"""One mailbox in AWS: how far it has come, and what is left to do. Nothing is remembered: each run looks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from lib import aws

# What is no part of the mailbox document: an update of the stack changes it.
OF_THE_STACK = {"Contact", "Policy", "Backstop", "BackstopSchedule", "SystemStack", "SecretsKeyArn"}


class Stuck(Exception):
    """It is in a state that only a person can judge."""


@dataclass
class Step:
    """Something to do, as it is told."""

    what: str
    do: Callable[[], None]


@dataclass
class Mailbox:
    """A mailbox, by the parameters that it is to have."""

    values: dict[str, str]
    template: Path

    @property
    def name(self) -> str:
        return self.values["Name"]

    @property
    def secret(self) -> str:
        return f"shopmail/{self.name}"

    @property
    def stack(self) -> str:
        """The stack's name, which has letters, digits and hyphens only."""
        return stack_of(self.name, self.values.get("SystemStack", "shopmail"))

    def steps(self, with_document: bool) -> list[Step]:
        """What is left to do, in its order. `with_document`: put it, and then switch the rotation on."""
        stack, secret = self._stack(), self._secret()
        if stack is None and secret is not None:
            raise Stuck(
                f"the secret {self.secret} is there and its stack {self.stack} is not: it is of a mailbox that was removed "
                "(docs/onboarding.md, Restore a deleted secret)"
            )
        secret = secret or {}
        has_document = any("AWSCURRENT" in labels for labels in secret.get("VersionIdsToStages", {}).values())
        has = {} if stack is None else parameters_of(stack)
        steps = []
        if stack is None:
            steps.append(Step("create the stack", lambda: self._deploy("off")))
        differing = sorted(name for name, value in self.values.items() if has.get(name, "") != value)
        if stack is not None and differing:
            backstop = has.get("Backstop", "off")
            what = f"update the stack ({', '.join(differing)})"
            in_document = [name for name in differing if name not in OF_THE_STACK]
            if has_document and in_document:
                what += f", but not the document, which is changed by hand ({', '.join(in_document)})"
            steps.append(Step(what, lambda: self._deploy(backstop)))
        if not with_document:
            return steps
        if not has_document:
            if self.values.get("RotatorKind") == "self":
                raise Stuck("RotatorKind self needs a client secret whose value is known: infra/onboarding/import-secret")
            steps.append(Step("put the document", self._put_document))
        if has.get("Backstop") != "on" and not secret.get("RotationEnabled"):
            steps.append(Step("switch the rotation on", lambda: self._deploy("on")))
        return steps

    def _stack(self) -> dict[str, Any] | None:
        try:
            stack = aws.ask("cloudformation", "describe-stacks", "--stack-name", self.stack)["Stacks"][0]
        except aws.Refused as refused:
            if refused.code == "ValidationError" and "does not exist" in str(refused):
                return None
            raise
        status = stack["StackStatus"]
        # The first deployment failed, and what it had made is gone again.
        if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
            raise Stuck(
                f"the stack {self.stack} is {status}. See why (aws cloudformation describe-stack-events --stack-name "
                f"{self.stack}), delete it (aws cloudformation delete-stack --stack-name {self.stack}), and begin again"
            )
        # Never deployed: a change set was made, and whoever made it died.
        return None if status == "REVIEW_IN_PROGRESS" else stack

    def _secret(self) -> dict[str, Any] | None:
        try:
            described = aws.ask("secretsmanager", "describe-secret", "--secret-id", self.secret)
        except aws.Refused as refused:
            if refused.code == "ResourceNotFoundException":
                return None
            raise
        if "DeletedDate" in described:
            raise Stuck(f"the secret {self.secret} is marked for deletion (docs/onboarding.md, Restore a deleted secret)")
        return described

    def _deploy(self, backstop: str) -> None:
        values = {**self.values, "Backstop": backstop}
        aws.run(
            "cloudformation", "deploy", "--template-file", str(self.template), "--stack-name", self.stack,
            "--no-fail-on-empty-changeset", "--parameter-overrides", *[f"{name}={value}" for name, value in values.items()],
        )  # fmt: skip

    def _put_document(self) -> None:
        """As the output `PutCommand` does: there is no secret in it, and the token is the same each time."""
        stack = self._stack()
        if stack is None:
            raise Stuck(f"the stack {self.stack} is gone")
        document = outputs_of(stack)["Document"]
        token = stack["StackId"].split("/")[2]
        aws.run(
            "secretsmanager", "put-secret-value", "--secret-id", self.secret, "--client-request-token", token,
            "--secret-string", document,
        )  # fmt: skip


def stack_of(name: str, system: str) -> str:
    """The stack of a mailbox."""
    return f"{system}-{re.sub('[^A-Za-z0-9-]', '-', name)}"


def parameters_of(stack: dict[str, Any]) -> dict[str, str]:
    """A stack's parameters, as it was deployed."""
    return {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])}


def outputs_of(stack: dict[str, Any]) -> dict[str, str]:
    """A stack's outputs."""
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
