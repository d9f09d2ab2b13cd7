"""A fleet of mailboxes at rest: what Secrets Manager lists and `rotation` answers to the checker, and what Entra and
Graph answer to `rotation`. Each mailbox follows from its number, so that a hundred thousand of them take no memory here.

All are in the middle of their client secret's life, and their tags say what is found: a check has nothing to do but
look. What it asks before it changes something is answered all the same; fleet.py takes that for an error."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta

NOW = datetime(2027, 1, 15, 6, tzinfo=UTC)
LIFETIME = timedelta(days=180)
A_TENANT_HAS = 50
# The agency's, which every tenant has consented to.
ROTATOR = "99999999-9999-4999-8999-999999999999"
A_PAGE_HAS = 100
WEB_IDENTITY_TOKEN = (
    b'<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>'
    b"<WebIdentityToken>header.payload.signature</WebIdentityToken><Expiration>2027-01-15T07:00:00Z</Expiration>"
    b"</GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"
)


TICKET_KEY = "shopmail-ticket-key"


class FleetWorld:
    def __init__(self, mailboxes: int):
        self.mailboxes = mailboxes
        self.events: list[dict] = []
        # With which the checker had `rotation` look, the largest: of each tenant, its app registrations.
        self.inspect = {"Action": "inspect", "Light": []}

    def scheduled(self) -> dict:
        """What EventBridge calls the checker with."""
        return event("aws.events", "Scheduled Event", {})

    def continues(self) -> dict | None:
        """What the checker published to be called with again, if it did not come to the end."""
        found = [entry for entry in self.events if entry["DetailType"] == "Check Continues"]
        self.events.clear()
        return event("shopmail", "Check Continues", json.loads(found[0]["Detail"])) if found else None

    def answer(self, operation: str, asked: dict) -> dict | bytes:
        match operation:
            case "ListSecrets":
                return self.page(asked)
            # Of the secret that signs links, whose tag says which check is under way.
            case "DescribeSecret" if asked["SecretId"] == TICKET_KEY:
                return {"ARN": f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{TICKET_KEY}-abcdef"}
            case "DescribeSecret":
                secret = Mailbox.of(asked["SecretId"]).secret()
                return secret | {"VersionIdsToStages": secret.pop("SecretVersionsToStages")}
            case "Invoke":
                self.keep(asked)
                return rotation(asked)
            case "GetWebIdentityToken":
                return WEB_IDENTITY_TOKEN
            case "token":
                return {"token_type": "Bearer", "expires_in": 3599, "access_token": f"of.{asked['tenant']}"}
            case "ownedObjects":
                return {"value": [mailbox.registration() for mailbox in self.of_tenant(asked["bearer"][3:])]}
            case "PutEvents":
                self.events += asked["Entries"]
                return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in asked["Entries"]]}
            case "TagResource" | "UntagResource" | "RotateSecret" | "UpdateSecretVersionStage":
                return {}
        raise NotImplementedError(operation)

    def keep(self, asked: dict) -> None:
        if asked.get("Action") == "inspect" and secrets(asked) > secrets(self.inspect):
            self.inspect = asked | {"Deep": []}

    def of_tenant(self, tenant: str) -> list["Mailbox"]:
        for first in range(0, self.mailboxes, A_TENANT_HAS):
            if Mailbox(first).tenant == tenant:
                return [Mailbox(number) for number in range(first, min(first + A_TENANT_HAS, self.mailboxes))]
        raise LookupError(tenant)

    def page(self, asked: dict) -> dict:
        first = int(asked.get("NextToken", 0))
        end = min(first + min(asked.get("MaxResults", A_PAGE_HAS), A_PAGE_HAS), self.mailboxes)
        page = {"SecretList": [Mailbox(number).secret() for number in range(first, end)]}
        return page if end == self.mailboxes else page | {"NextToken": str(end)}


class Mailbox:
    def __init__(self, number: int):
        self.number = number
        self.name = f"shopmail/orders-{number:06}"
        self.arn = f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{self.name}-{number:06x}"
        self.tenant = uuid("tenant", number // A_TENANT_HAS)
        # An app registration for each mailbox.
        self.app = uuid("app", number)
        self.key = uuid("key", number)
        self.version, self.previous = uuid("version", number), uuid("previous", number)
        self.address = f"orders@shop-{number:06}.example"
        # From 60 to 160 days are left.
        self.start = NOW - timedelta(days=20 + number % 100, minutes=number % 1440)
        self.end = self.start + LIFETIME

    @classmethod
    def of(cls, secret: str) -> "Mailbox":
        return cls(int(re.search(r"orders-(\d{6,})", secret)[1]))

    def secret(self) -> dict:
        """As ListSecrets has it."""
        rotated = self.start + timedelta(minutes=5)
        return {
            "ARN": self.arn,
            "Name": self.name,
            "Description": f"Client secret with which ShopCtrl reaches {self.address}",
            "RotationEnabled": True,
            "RotationLambdaARN": "arn:aws:lambda:eu-central-1:123456789012:function:shopmail-rotation",
            "RotationRules": {"ScheduleExpression": "rate(165 days)", "Duration": "4h"},
            "CreatedDate": (self.start - LIFETIME).timestamp(),
            "LastChangedDate": rotated.timestamp(),
            "LastAccessedDate": NOW.replace(hour=0).timestamp(),
            "LastRotatedDate": rotated.timestamp(),
            "NextRotationDate": (rotated + timedelta(days=165)).timestamp(),
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags().items()],
            "SecretVersionsToStages": {
                self.version: ["AWSCURRENT", f"key-{self.key}"],
                self.previous: ["AWSPREVIOUS"],
            },
        }

    def tags(self) -> dict[str, str]:
        return {
            "aws:cloudformation:stack-name": f"shopmail-orders-{self.number:06}",
            "aws:cloudformation:logical-id": "MailboxSecret",
            "CostCenter": "webshops",
            "shopmail:managed": "mailbox",
            "shopmail:contact": f"owner@shop-{self.number:06}.example",
            "shopmail:shop": str(100_000 + self.number),
            "shopmail:origin": hashlib.sha256(self.arn.encode()).hexdigest()[:8],
            "shopmail:tenant": self.tenant,
            "shopmail:rotator": f"global federated {ROTATOR}",
            "shopmail:app": self.app,
            "shopmail:mailboxes": self.address,
            "shopmail:delivery": "api",
            "shopmail:issued-at": time(self.start),
            "shopmail:expires-at": time(self.end),
            "shopmail:rotated-version": self.version,
            "shopmail:state": "rotated",
        }

    def registration(self) -> dict:
        """The app registration, as Graph has it."""
        return {
            "id": uuid("object", self.number),
            "appId": self.app,
            "signInAudience": "AzureADMyOrg",
            "passwordCredentials": [{
                "customKeyIdentifier": None,
                "displayName": f"{self.name} {self.version[:8]}",
                "endDateTime": time(self.end),
                "hint": "abc",
                "keyId": self.key,
                "secretText": None,
                "startDateTime": time(self.start),
            }],
        }

    def listed(self) -> list[dict]:
        """What of it `rotation` hands on (`ListedCredential`)."""
        return [{
            "key_id": self.key,
            "start": time(self.start),
            "end": time(self.end),
            "issued_for": self.version,
            "settled": True,
        }]

    def facts(self) -> dict:
        """What a deep look finds (`Facts`): all is as the tags say."""
        connections = [f"orders-{self.number}-in", f"orders-{self.number}-out"]
        held = {"key_id": self.key, "authorized": True, "enabled": True}
        return {
            "version": self.version,
            "of": {
                "cloud": "global",
                "tenant_id": self.tenant,
                "rotator": {"kind": "federated", "client_id": ROTATOR},
            },
            "client_id": self.app,
            "without_value": False,
            "key_id": self.key,
            "key_fits": True,
            "issued_here": True,
            "now": time(NOW),
            "start": time(self.start),
            "expires_at": time(self.end),
            "credentials": self.listed(),
            "mailboxes": [self.address],
            "connections": connections,
            "attended": [],
            "held": [held | {"connection": connection} for connection in connections],
            "attested": [],
            "grants": [],
            "grants_unfinished": False,
            "drift": [],
            "problems": [],
        }


def secrets(inspect: dict) -> int:
    """How many are looked at lightly."""
    return sum(len(look["secrets"]) for look in inspect["Light"])


def rotation(asked: dict) -> dict:
    """What `rotation` answers (shared/src/rotation.rs, rotation/inspection.rs): the one place that knows how it is
    asked."""
    match asked.get("Action"):
        case "inspect":
            light = [secret["arn"] for look in asked["Light"] for secret in look["secrets"]]
            deep = [look["arn"] for look in asked["Deep"]]
            return {
                "light": {arn: {"Ok": Mailbox.of(arn).listed()} for arn in light},
                "deep": {arn: {"Ok": Mailbox.of(arn).facts()} for arn in deep},
                "calls": len(light) + 4 * len(deep),
            }
        case "sweep":
            return {"removed": [], "delivered": [], "answered": False}
        case "retire":
            return {"removed": [], "kept": []}
    raise NotImplementedError(asked)


def event(source: str, detail_type: str, detail: dict) -> dict:
    return {
        "version": "0",
        "id": "00000000-0000-4000-8000-000000000000",
        "source": source,
        "detail-type": detail_type,
        "account": "123456789012",
        "time": time(NOW),
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    }


def uuid(kind: str, number: int) -> str:
    digits = hashlib.md5(f"{kind} {number}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
