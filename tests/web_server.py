"""A web server on this machine that does what real ones do to a download: ranges, redirects, refusals, broken lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """Files by path, and what goes wrong; every request is noted with its headers."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    etag: str | None = '"one"'
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which the connections break, one entry for each connection."""
    statuses: dict[str, int] = field(default_factory=dict)
    once: list[int] = field(default_factory=list)
    """Statuses of the next requests."""
    redirects: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    length: bool = True
    drip: float | None = None
    """Seconds between blocks of 64 KiB."""
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """The site, answering at `site.url`."""
    with answering(_handler(site)) as site.url:
        yield site


class QuietHandler(BaseHTTPRequestHandler):
    """Says nothing of its requests on stderr, which belongs to the tests."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server whose requests are answered by `handler`, until the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, dict(self.headers)))
            if self.path in site.redirects:
                self.send_response(302)
                self.send_header("Location", site.redirects[self.path])
                self.end_headers()
                return
            status = site.once.pop(0) if site.once else site.statuses.get(self.path)
            if status is not None or self.path not in site.files:
                self.send_error(status or 404)
                return
            self._send(site.files[self.path])

        def _send(self, data: bytes) -> None:
            start = self._start()
            if start is not None and start >= len(data):
                self.send_error(416)
                return
            self.send_response(200 if start is None else 206)
            if start is not None:
                span = f"bytes {start}-{len(data) - 1}/{len(data)}"
                self.send_header("Content-Range", span)
            if site.etag is not None:
                self.send_header("ETag", site.etag)
            self.send_header("Content-Type", site.kinds.get(self.path, "application/zip"))
            body = data[start or 0 :]
            if site.length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if site.cut_after:
                body = body[: site.cut_after.pop(0)]
            self._write(body)

        def _start(self) -> int | None:
            asked = self.headers.get("Range")
            current = self.headers.get("If-Range") in (None, site.etag)
            if asked is None or not site.ranges or not current:
                return None
            return int(asked.removeprefix("bytes=").rstrip("-"))

        def _write(self, body: bytes) -> None:
            for at in range(0, len(body), 2**16):
                if site.drip:
                    threading.Event().wait(site.drip)
                try:
                    self.wfile.write(body[at : at + 2**16])
                except OSError:
                    return
            self.wfile.flush()
            self.close_connection = True

    return Handler
