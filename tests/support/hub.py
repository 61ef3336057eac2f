"""A Hub of models on this machine's loopback: it keeps what is pushed and hands it out again."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "a token"
LARGE = (".safetensors", ".onnx", ".pt2")


class Hub:
    """Its repositories: files by name; and the large files that were handed over, by hash."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.address = ""

    def post(self, path: str, body: bytes) -> tuple[int, Any]:
        """What it answers, as the Hub does."""
        if path == "/api/repos/create":
            told = json.loads(body)
            name = f"{told['organization']}/{told['name']}"
            there = name in self.repositories
            self.repositories.setdefault(name, {})
            return (409, {"error": "there"}) if there else (200, {"url": name})
        if path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            modes = [("regular", "lfs")[each["path"].endswith(LARGE)] for each in files]
            told = [
                {"path": each["path"], "uploadMode": mode}
                for each, mode in zip(files, modes, strict=True)
            ]
            return 200, {"files": told}
        if path.endswith("/info/lfs/objects/batch"):
            (one,) = json.loads(body)["objects"]
            if one["oid"] in self.large:
                return 200, {"objects": [one]}
            place = f"{self.address}/lfs/{one['oid']}"
            actions = {"upload": {"href": place}, "verify": {"href": f"{place}/verify"}}
            return 200, {"objects": [one | {"actions": actions}]}
        if path.endswith("/verify"):
            one = json.loads(body)
            found = self.large.get(one["oid"], b"")
            return (200, {}) if len(found) == one["size"] else (422, {})
        if path.endswith("/commit/main"):
            return self.commit("/".join(path.split("/")[3:5]), body)
        return 404, {}

    def commit(self, name: str, body: bytes) -> tuple[int, Any]:
        """All files of a commit, or none."""
        head, *lines = (json.loads(line) for line in body.decode().splitlines())
        assert head["key"] == "header" and head["value"]["summary"]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                content = base64.b64decode(value["content"])
            else:
                content = self.large[value["oid"]]
                assert len(content) == value["size"]
            self.repositories[name][value["path"]] = content
        return 200, {"commitUrl": name}


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self, code: int, content: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def do_GET(self) -> None:
            hub.asked.append(self.path)
            owner, name, _, _, file = self.path.strip("/").split("/", 4)
            content = hub.repositories.get(f"{owner}/{name}", {}).get(file)
            self.answer(404 if content is None else 200, content or b"")

        def do_PUT(self) -> None:
            content = self.body()
            assert hashlib.sha256(content).hexdigest() == self.path.rpartition("/")[2]
            hub.large[self.path.rpartition("/")[2]] = content
            self.answer(200, b"")

        def do_POST(self) -> None:
            content = self.body()
            own = self.path.startswith("/lfs/")  # an address that was signed
            if not own and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer(401, b"{}")
                return
            code, told = hub.post(self.path, content)
            self.answer(code, json.dumps(told).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def serving() -> Iterator[Hub]:
    """A Hub at `address` while inside."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
