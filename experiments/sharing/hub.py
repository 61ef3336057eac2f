"""Agents on the Hugging Face Hub, by its HTTP interface alone: `push` a folder, `pull` it back.

$HF_ENDPOINT is where it is (https://huggingface.co), $HF_TOKEN who asks, needed to push. Nothing
that is pulled is run: weights are safetensors, a recipe is JSON, and one that names code of its own
is refused.
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from hardattn import __version__

from ..kinds import Json
from ..recipe import UsageError
from . import handed_on

PREFIX = "hub:"
ENDPOINT = "https://huggingface.co"
NAME = re.compile(r"[\w.-]+/[\w.-]+")
SAMPLE = 512  # first bytes of a file, by which the Hub tells text from what is large
SECONDS = 60  # before a request is given up
LFS = "application/vnd.git-lfs+json"


def parsed(source: str) -> tuple[str, str]:
    """hub:OWNER/NAME or hub:OWNER/NAME@REVISION -> the name, the revision. Raises UsageError."""
    name, _, revision = source.removeprefix(PREFIX).partition("@")
    if not NAME.fullmatch(name) or ".." in revision:
        raise UsageError(f"{source}: write {PREFIX}OWNER/NAME, or {PREFIX}OWNER/NAME@REVISION")
    return name, revision or "main"


def pull(source: str, cache: Path | None = None) -> Path:
    """Fetch an agent's recipe, weights and card; the folder where they are. Raises UsageError."""
    name, revision = parsed(source)
    top = cache or Path(os.environ.get("HARDATTN_CACHE") or "~/.cache/hardattn").expanduser()
    folder = top / "hub" / name / revision
    folder.mkdir(parents=True, exist_ok=True)
    for file in (handed_on.CONFIG, handed_on.WEIGHTS, handed_on.CARD):
        place = f"{name}/resolve/{quote(revision, safe='')}/{file}"
        try:
            content = _ask(place, what=source)
        except UsageError:
            if file == handed_on.CARD or (folder / file).exists():  # as it was the last time
                continue
            raise
        part = folder / f"{file}.part"
        part.write_bytes(content)
        part.replace(folder / file)
    config = handed_on.config_of(folder)
    for setting, value in config["recipe"].items():
        if setting != "dataset" and isinstance(value, str) and ":" in value:
            raise UsageError(
                f"{source}: its {setting} is code of somebody's own ({value}), which is not run; "
                "fetch it yourself, and load it from a folder"
            )
    return folder


def push(folder: Path, target: str) -> str:
    """Put a folder that was handed on into a repository of models; its address. Raises UsageError.

    The repository is made if there is none. Files that the Hub keeps as large ones go there first,
    then one commit names all.
    """
    name, revision = parsed(target)
    if not os.environ.get("HF_TOKEN"):
        raise UsageError(f"{target}: to push needs $HF_TOKEN, a token that may write there")
    owner, _, repository = name.partition("/")
    made = {"name": repository, "organization": owner, "type": "model"}
    _ask("api/repos/create", made, what=target, fine=(409,))
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    wanted = [
        {
            "path": path,
            "size": len(content),
            "sample": base64.b64encode(content[:SAMPLE]).decode(),
        }
        for path, content in files.items()
    ]
    place = f"api/models/{name}"
    told = _json(_ask(f"{place}/preupload/{revision}", {"files": wanted}, what=target), target)
    large = {each["path"] for each in told.get("files", []) if each.get("uploadMode") == "lfs"}
    for path in sorted(large & files.keys()):
        _upload(name, files[path], target)
    lines = "\n".join(json.dumps(line) for line in _commit(files, large))
    _ask(f"{place}/commit/{revision}", lines.encode(), "application/x-ndjson", what=target)
    return f"{_endpoint()}/{name}"


def _commit(files: dict[str, bytes], large: set[str]) -> Iterator[Json]:
    """The lines of a commit: a head, then each file, whole or by its hash."""
    yield {"key": "header", "value": {"summary": f"hardattn {__version__}", "description": ""}}
    for path, content in files.items():
        if path in large:
            oid = hashlib.sha256(content).hexdigest()
            value = {"path": path, "algo": "sha256", "oid": oid, "size": len(content)}
            yield {"key": "lfsFile", "value": value}
        else:
            held = base64.b64encode(content).decode()
            yield {"key": "file", "value": {"content": held, "path": path, "encoding": "base64"}}


def _upload(name: str, content: bytes, target: str) -> None:
    """Hand over a large file, if it is not there already (git-lfs, transfer basic)."""
    one = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
    asked = {"operation": "upload", "transfers": ["basic"], "objects": [one], "hash_algo": "sha256"}
    found = _json(_ask(f"{name}.git/info/lfs/objects/batch", asked, LFS, what=target), target)
    (given,) = found.get("objects") or [{}]
    if "error" in given:
        raise UsageError(f"{target}: a file was not taken ({given['error'].get('message')})")
    actions = given.get("actions") or {}
    if "upload" in actions:
        header = actions["upload"].get("header") or {}
        _send(Request(actions["upload"]["href"], content, header, method="PUT"), target)
    if "verify" in actions:
        header = {**(actions["verify"].get("header") or {}), "Content-Type": LFS}
        data = json.dumps(one).encode()
        _send(Request(actions["verify"]["href"], data, header, method="POST"), target)


def _ask(
    place: str,
    data: bytes | Json | None = None,
    kind: str = "application/json",
    *,
    what: str,
    fine: tuple[int, ...] = (),
) -> bytes:
    """What the Hub answers at a place; data: that is sent, bytes or what becomes JSON."""
    headers = {"User-Agent": f"hardattn/{__version__}", "Accept": kind if kind == LFS else "*/*"}
    if token := os.environ.get("HF_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    body = None
    if data is not None:
        headers["Content-Type"] = kind
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return _send(Request(f"{_endpoint()}/{place}", body, headers), what, fine)


def _send(request: Request, what: str, fine: tuple[int, ...] = ()) -> bytes:
    try:
        with urlopen(request, timeout=SECONDS) as answer:
            content: bytes = answer.read()
            return content
    except HTTPError as fault:
        with fault:
            if fault.code in fine:
                return b""
            raise UsageError(
                f"{what}: {request.full_url} answers {fault.code} {fault.reason}"
            ) from fault
    except (URLError, TimeoutError, ValueError) as fault:
        why = getattr(fault, "reason", fault)
        raise UsageError(f"{what}: {_endpoint()} cannot be reached ({why})") from fault


def _json(content: bytes, what: str) -> Json:
    try:
        found = json.loads(content)
    except ValueError as fault:
        raise UsageError(f"{what}: the Hub answers what is no JSON") from fault
    return found if isinstance(found, dict) else {}


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
