"""As much of HTTP/1.1 as a server for our own functions needs."""

import json
import socket
from typing import NamedTuple

REASONS = {200: "OK", 202: "Accepted", 404: "Not Found"}


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Connection:
    """A connection that was accepted. Whoever reads from it waits for a whole request."""

    def __init__(self, accepted: socket.socket):
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = accepted
        self.unread = b""

    def read(self) -> Request | None:
        """The next request; None when the other end is gone."""
        try:
            head = self._until(b"\r\n\r\n").decode("latin-1")
            first, *lines = head.split("\r\n")
            method, path, _ = first.split(" ")
            fields = (line.split(":", 1) for line in lines)
            headers = {name.lower(): value.strip() for name, value in fields}
            if headers.get("transfer-encoding") == "chunked":
                return Request(method, path, headers, self._chunks())
            return Request(method, path, headers, self._exactly(int(headers.get("content-length", 0))))
        except (EOFError, ConnectionError):
            return None

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS[status]}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.socket.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def answer_json(self, status: int, value: object) -> None:
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _receive(self) -> None:
        received = self.socket.recv(262144)
        if not received:
            raise EOFError
        self.unread += received

    def _until(self, end: bytes) -> bytes:
        while end not in self.unread:
            self._receive()
        found, self.unread = self.unread.split(end, 1)
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self.unread) < length:
            self._receive()
        found, self.unread = self.unread[:length], self.unread[length:]
        return found

    def _chunks(self) -> bytes:
        body = b""
        while length := int(self._until(b"\r\n"), 16):
            body += self._exactly(length)
            self._exactly(2)
        self._until(b"\r\n")
        return body


def listen() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=1024)


def address(listener: socket.socket) -> str:
    return "127.0.0.1:{}".format(listener.getsockname()[1])
