"""Lambda's Runtime API (2018-06-01) for one process. One thread does it all, so that nothing stands between an event and
the clock."""

import json
import selectors
import time
import uuid
from typing import NamedTuple

from wire import Connection, Request, address, listen

PATH = "/2018-06-01/runtime"
# The longest that a function may run (Lambda quotas, "Function timeout").
TIMEOUT = 900


class Answer(NamedTuple):
    seconds: float
    failed: bool
    payload: object


class NotAnswered(Exception):
    """The process asked for something else than what was its turn, or died."""


class RuntimeApi:
    def __init__(self) -> None:
        self.listener = listen()
        self.address = address(self.listener)
        self.ready = selectors.DefaultSelector()
        self.ready.register(self.listener, selectors.EVENT_READ)
        self.waiting: Connection | None = None

    def wait_until_asked(self) -> float:
        """Waits until the process asks for an event, and tells when it did."""
        connection, request = self._next()
        asked = time.perf_counter()
        if request.path != f"{PATH}/invocation/next":
            raise NotAnswered(f"{request.method} {request.path}: {request.body[:2000].decode()}")
        self.waiting = connection
        return asked

    def invoke(self, event: object) -> Answer:
        """Hands over an event to the process that waits for one, and waits for its answer."""
        waiting, self.waiting = self.waiting, None
        assert waiting, "the process has not asked for an event"
        body, request_id = json.dumps(event).encode(), str(uuid.uuid4())
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(round((time.time() + TIMEOUT) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:measured",
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
        }
        handed_over = time.perf_counter()
        waiting.answer(200, body, headers)
        connection, request = self._next()
        seconds = time.perf_counter() - handed_over
        connection.answer_json(202, {"status": "OK"})
        match request.path.removeprefix(f"{PATH}/invocation/{request_id}/"):
            case "response":
                failed = False
            case "error":
                failed = True
            case _:
                raise NotAnswered(f"{request.method} {request.path}: {request.body[:2000].decode()}")
        return Answer(seconds, failed, json.loads(request.body or b"null"))

    def close(self) -> None:
        for key in list(self.ready.get_map().values()):
            key.fileobj.close()
        self.ready.close()

    def _next(self) -> tuple[Connection, Request]:
        while True:
            events = self.ready.select(TIMEOUT)
            if not events:
                raise NotAnswered(f"nothing in {TIMEOUT} s")
            for key, _ in events:
                if key.data is None:
                    connection = Connection(self.listener.accept()[0])
                    self.ready.register(connection.socket, selectors.EVENT_READ, connection)
                    continue
                request = key.data.read()
                if request:
                    return key.data, request
                self.ready.unregister(key.data.socket)
                key.data.socket.close()
                if key.data is self.waiting:
                    raise NotAnswered("the process is gone")
