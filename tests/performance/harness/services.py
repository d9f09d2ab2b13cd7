"""AWS on loopback: one server for all services, as the functions take one address for all (`AWS_ENDPOINT_URL`)."""

import json
import threading
from collections import Counter
from collections.abc import Callable
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
            connection.answer(200, json.dumps(answer).encode(), {"Content-Type": "application/x-amz-json-1.1"})


def operation(request: Request) -> tuple[str, dict]:
    """By AWS's three protocols: JSON 1.1, query, and Lambda's REST."""
    if target := request.headers.get("x-amz-target"):
        return target.split(".")[-1], json.loads(request.body)
    if request.path.startswith("/2015-03-31/functions/"):
        return "Invoke", json.loads(request.body)
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    return form["Action"], form
