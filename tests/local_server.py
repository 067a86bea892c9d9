"""A server on loopback that answers completely, partly, wrongly, or not at all."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class LocalServer(ThreadingHTTPServer):
    """Serves files by name; `behaviour` is how it answers."""

    def __init__(self, files: Mapping[str, bytes], encryption: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.behaviour = files, "good"
        self.over = threading.Event()
        self.requested: list[str] = []
        self.url = f"http{'s' if encryption else ''}://127.0.0.1:{self.server_port}/"
        if encryption:
            self.socket = encryption.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: Any) -> None:
        """Keep silent: clients under test hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: LocalServer

    def do_GET(self) -> None:
        """Answer as the server's behaviour says."""
        name, behaviour = Path(self.path).name, self.server.behaviour
        self.server.requested.append(name)
        if behaviour == "silent":
            self.server.over.wait(10)
            return
        content = self.server.files.get(name, b"")
        answers = {"page": b"<p>Sign in</p>", "wrong": bytes(len(content))}
        content = answers.get(behaviour, content)
        self.send_response(404 if behaviour == "missing" or not content else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:100] if behaviour in {"cut", "stalled"} else content)
        if behaviour == "stalled":
            self.server.over.wait(10)

    def log_message(self, *_: object) -> None:
        """Keep standard error for the code under test."""


@contextmanager
def serving(
    files: Mapping[str, bytes], encryption: ssl.SSLContext | None = None
) -> Iterator[LocalServer]:
    """A server that runs until the end of the block."""
    with LocalServer(files, encryption) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield running
        finally:
            running.over.set()
            running.shutdown()
