"""AWS, Entra and Graph on loopback: one server for all, as the functions are told by variables where each is."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import parse_qs

from wire import Connection, Request, address, listen

# The operation and what was asked, to the answer: JSON, or as it goes out.
Answers = Callable[[str, dict], dict | bytes]


class Services:
    def __init__(self, answers: Answers):
        self.answers = answers
        self.calls: Counter[str] = Counter()
        self.listener = listen()
        self.url = f"http://{address(self.listener)}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection = Connection(self.listener.accept()[0])
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            while request := connection.read():
                self._answer(connection, request)
        except ConnectionError:
            pass  # the function was killed

    def _answer(self, connection: Connection, request: Request) -> None:
        # By which a function opens its connection: to nothing that there is.
        if request.method == "HEAD":
            connection.answer(404)
            return
        name, asked = operation(request)
        self.calls[name] += 1
        answer = self.answers(name, asked)
        if isinstance(answer, bytes):
            connection.answer(200, answer)
        else:
            headers = {"Content-Type": "application/json", "Date": formatdate(usegmt=True)}
            connection.answer(200, json.dumps(answer).encode(), headers)


def operation(request: Request) -> tuple[str, dict]:
    """By AWS's three protocols, JSON 1.1, query, and Lambda's REST; by the path at Entra and Graph, with what tells
    the tenant."""
    if target := request.headers.get("x-amz-target"):
        return target.split(".")[-1], json.loads(request.body)
    if request.path.startswith("/2015-03-31/functions/"):
        return "Invoke", json.loads(request.body)
    if request.path.startswith("/v1.0/"):
        return "ownedObjects", {"bearer": request.headers["authorization"].removeprefix("Bearer ")}
    if request.path.endswith("/oauth2/v2.0/token"):
        return "token", {"tenant": request.path.split("/")[1]}
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    return form["Action"], form
