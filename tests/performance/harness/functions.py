"""What is measured, and with which calls."""

from pathlib import Path
from typing import NamedTuple

from process import Program

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shopmail/orders-AbCdEf"
CURRENT, PENDING = "c" * 32, "d" * 32
ROTATION = "arn:aws:lambda:eu-central-1:123456789012:function:shopmail-rotation"
PAGES = "https://mail-access.shop.example"


class Function(NamedTuple):
    name: str
    program: Program
    # An event that is refused by its form: nothing is asked of anybody.
    refused: object
    # An event for which one request is made, and that request.
    asking: object
    request: str | None


def ours(name: str, built: Path, variables: dict[str, str], asking: object, request: str | None) -> Function:
    package = built / name
    return Function(name, Program([str(package / "bootstrap")], package, variables), {}, asking, request)


def python(name: str, package: Path, interpreter: Path, handler: str) -> Function:
    command = [str(interpreter), "-m", "awslambdaric", f"{handler}.lambda_handler"]
    # A step for a version that is current: the template looks at the secret, and is done.
    asking = {"SecretId": SECRET, "ClientRequestToken": CURRENT, "Step": "createSecret"}
    return Function(name, Program(command, package, {}), {}, asking, "DescribeSecret")


def shipped(built: Path) -> list[Function]:
    """The variables are those that template.yaml sets and that have to be there."""
    return [
        ours(
            "rotation",
            built,
            {"CALLBACK_URL": PAGES},
            # Nobody is waited for.
            {"Action": "ask", "SecretId": SECRET},
            "DescribeSecret",
        ),
        ours("expiry-checker", built, {"ROTATION_FUNCTION": ROTATION}, {"dry_run": True}, "ListSecrets"),
        ours(
            "oauth-callback",
            built,
            {"CALLBACK_URL": PAGES, "ROTATION_FUNCTION": ROTATION},
            {
                "version": "2.0",
                "rawPath": "/ended",
                "cookies": ["__Host-shopmail-ended=of-another-key"],
                "requestContext": {"http": {"method": "GET", "path": "/ended"}, "stage": "$default"},
            },
            "GetSecretValue",
        ),
        ours(
            "notifier",
            built,
            {"NOTICES_TOPIC": "arn:aws:sns:eu-central-1:123456789012:shopmail-notices", "CALLBACK_URL": PAGES},
            {
                "version": "0",
                "source": "shopmail",
                "detail-type": "Client Secret Expired",
                "detail": {
                    "id": "0" * 32,
                    "secret": "shopmail/orders",
                    "secret_arn": SECRET,
                    "mailboxes": ["orders@shop.example"],
                    "expires_at": "2027-01-01T00:00:00Z",
                },
            },
            "Publish",
        ),
    ]


def answer(operation: str, asked: dict) -> dict | bytes:
    match operation:
        case "DescribeSecret":
            return {
                "ARN": SECRET,
                "Name": "shopmail/orders",
                "RotationEnabled": True,
                "Tags": [{"Key": "shopmail:managed", "Value": "mailbox"}],
                "VersionIdsToStages": {CURRENT: ["AWSCURRENT"], PENDING: ["AWSPENDING"]},
            }
        case "GetSecretValue":
            return {"ARN": SECRET, "Name": "key", "VersionId": CURRENT, "SecretString": "k" * 64}
        case "ListSecrets":
            return {"SecretList": []}
        case "Publish":
            return (
                b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
                b"<MessageId>1</MessageId></PublishResult></PublishResponse>"
            )
    raise NotImplementedError(operation)
