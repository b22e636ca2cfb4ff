"""A server of files on this machine that can misbehave, and that can be taken for the Hugging Face hub."""

from __future__ import annotations

import hashlib
import http.server
import mmap
import threading
from pathlib import Path


class Server:
    """Files on 127.0.0.1.

    Attributes:
        files: path -> content, or the file that holds it.
        faults: path -> what goes wrong, in order, one entry for each request that fetches it.
        checksums: path of a file on the hub -> what the hub says its sha256 is. Like the hub, such a path answers with
            that and a redirection to ``/storage`` and the path, where the content is.
        log: (path, Range) of all requests for contents.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes | Path] = {}
        self.faults: dict[str, list[str]] = {}
        self.checksums: dict[str, str] = {}
        self.log: list[tuple[str, str | None]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None: ...

            def do_HEAD(self) -> None:
                self._on_the_hub() or self.send_error(404)

            def do_GET(self) -> None:
                if not self._on_the_hub():
                    self._send()

            def _on_the_hub(self) -> bool:
                checksum = outer.checksums.get(self.path)
                if checksum is None:
                    return False
                self.send_response(302)
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("X-Linked-Etag", f'"{checksum}"')
                self.send_header("X-Linked-Size", str(len(outer.content(f"/storage{self.path}") or b"")))
                storage = outer.url.replace("127.0.0.1", "localhost")  # another host, as far as names go
                self.send_header("Location", f"{storage}/storage{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return True

            def _send(self) -> None:
                if self.path.startswith("/api/"):  # what the hub's client asks for its statistics
                    self.send_error(404)
                    return
                wanted = self.headers.get("Range")
                outer.log.append((self.path, wanted))
                fault = outer.faults.get(self.path, [""])
                fault = fault.pop(0) if fault else ""
                body = outer.content(self.path)
                if body is None or fault == "404":
                    self.send_error(404)
                    return
                start = 0
                if wanted and fault != "no ranges":
                    start = int(wanted.removeprefix("bytes=").partition("-")[0])
                    if start >= len(body):
                        self.send_error(416)
                        return
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                else:
                    self.send_response(200)
                body = body[start:]
                if fault == "corrupt":
                    body = bytes(len(body))
                if fault != "size unsaid":
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 3] if fault == "cut" else body)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def content(self, path: str) -> memoryview | None:
        body = self.files.get(path)
        if body is None:
            return None
        if isinstance(body, Path):
            with body.open("rb") as file:
                body = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return memoryview(body)

    def put_on_hub(self, repository: str, body: bytes | Path) -> str:
        """Publish a repository's weights; the path that the content is fetched from."""
        path = f"/{repository}/resolve/main/model.safetensors"
        self.files[f"/storage{path}"] = body
        self.checksums[path] = hashlib.sha256(self.content(f"/storage{path}")).hexdigest()
        return f"/storage{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
