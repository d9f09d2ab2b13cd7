"""Does a client secret sign in, and which entry of the app registration is it?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lib import text

# As shared/src/cloud.rs has them: where apps sign in, and Graph.
CLOUDS = {
    "global": ("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    "us-gov": ("https://login.microsoftonline.us", "https://graph.microsoft.us"),
    "us-dod": ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    "china": ("https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
}
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# The front of the names that rotations of this system give (docs/glossary.md, A credential's life: the marker).
MARKERS = ("smr1/", "smr2/")


class Refused(Exception):
    """Something that a person has to mend."""


@dataclass
class Credential:
    """A client secret of the app registration, as Entra shows it: never its value."""

    key_id: str
    name: str
    hint: str | None
    start: datetime | None
    end: datetime

    def told(self) -> str:
        """For a person. Not the hint: it is a part of the value."""
        since = f"{self.start:%Y-%m-%d}" if self.start else "?"
        return f"{self.key_id}  {since} to {self.end:%Y-%m-%d}  {self.name or '(no name)'}"


def sign_in(tenant: str, client: str, cloud: str, secret: str) -> None:
    """An app-only token by the client credentials grant: it changes nothing and needs no permission."""
    entra, graph = CLOUDS[cloud]
    entra = os.environ.get("ENTRA_URL") or entra
    form = {"client_id": client, "scope": f"{graph}/.default", "grant_type": "client_credentials", "client_secret": secret}
    url = f"{entra}/{urllib.parse.quote(tenant)}/oauth2/v2.0/token"
    try:
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=30) as answer:
            granted = "access_token" in json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(_meaning(error, secret)) from None
    except (OSError, ValueError) as error:
        raise Refused(f"Entra could not be asked at {entra}: {type(error).__name__}. Try again in some minutes.") from None
    if not granted:
        raise Refused("Entra answered without a token. Try again in some minutes.")


def _meaning(error: urllib.error.HTTPError, secret: str) -> str:
    """By Entra's number, never its text. docs/runbook.md has more of them."""
    try:
        numbers = json.load(error).get("error_codes") or [0]
    except ValueError:
        numbers = [0]
    number = numbers[0] if isinstance(numbers[0], int) else 0
    if number == 7000215 and GUID.fullmatch(secret):
        why = "it looks like the Secret ID. The Value is needed, which Entra shows only when a client secret is made"
    elif number == 7000215:
        why = "it is no client secret of this app registration. One that was made minutes ago may take some more"
    elif number == 7000222:
        why = "it has ended"
    elif number in (700016, 90002):
        why = "Entra does not know this app in this tenant: see TenantId and ClientId"
    else:
        why = "docs/runbook.md, Entra, has what this number means"
    return f"the value does not sign in (HTTP {error.code}, AADSTS{number}): {why}."


def credentials(client: str, file: Path | None) -> list[Credential]:
    """The app registration's client secrets: as the file has them, or as the Azure CLI says."""
    if file is not None:
        listing = text.read(file)
    else:
        command = ["az", "ad", "app", "credential", "list", "--id", client, "--output", "json"]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            raise Refused(
                "the Azure CLI is not here. Have the list made where it is, and give it by --credentials: " + " ".join(command)
            ) from None
        if ended.returncode != 0:
            raise Refused(f"{' '.join(command)}: {ended.stderr.strip()}")
        listing = ended.stdout
    try:
        listed = json.loads(listing)
        if isinstance(listed, dict):  # Graph's answer: the app registration
            listed = _field(listed, "passwordCredentials")
        return [_credential(each) for each in listed]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused(f"the list of client secrets is not as Graph or the Azure CLI writes it ({error})") from None


def _field(fields: dict[str, Any], name: str) -> Any:
    """PowerShell writes the names with capitals."""
    return fields.get(name, fields.get(name[0].upper() + name[1:]))


def _credential(fields: dict[str, Any]) -> Credential:
    end = _field(fields, "endDateTime")
    start = _field(fields, "startDateTime")
    return Credential(
        key_id=_field(fields, "keyId").lower(),
        name=_field(fields, "displayName") or "",
        hint=_field(fields, "hint") or None,
        start=_time(start) if start else None,
        end=_time(end),
    )


def _time(text: str) -> datetime:
    """To the second: Graph writes seven digits behind it, of which Python before 3.11 reads six at most."""
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)


def candidates(listed: list[Credential], secret: str, now: datetime) -> list[Credential]:
    """Which of them the value can be, as it signs in now: those that begin with its first three characters; where Entra
    shows none, those of which it does not show how they begin. Never one that a rotation has issued: its value is known."""
    alive = [each for each in listed if each.end > now and (each.start is None or each.start <= now)]
    alive = [each for each in alive if not each.name.startswith(MARKERS)]
    return [each for each in alive if each.hint == secret[:3]] or [each for each in alive if each.hint is None]
