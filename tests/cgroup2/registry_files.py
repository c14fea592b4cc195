"""Images as the files of a registry: from the push registry's API into the folder that another registry will serve."""

from __future__ import annotations

import hashlib
import json
import shutil
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def _open(address: str, path: str) -> Any:
    request = urllib.request.Request(f"http://{address}/v2/{path}", headers={"Accept": MANIFEST})
    # A loopback address is never behind the proxy that http_proxy names.
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)


def _link(path: Path, digest: str) -> None:
    path.mkdir(parents=True, exist_ok=True)
    (path / "link").write_text(f"sha256:{digest}")


def copy_images(address: str, images: Iterable[tuple[str, str]], target: Path) -> int:
    """Writes (repository, tag) of the registry at `address` below `target`; bytes of all layers.

    The layout is that of the CNCF registry's file-system driver. Raises urllib.error.URLError if an image is not there.
    """
    root = target / "docker/registry/v2"

    def blob(digest: str) -> Path:
        return root / "blobs/sha256" / digest[:2] / digest / "data"

    size = 0
    for repository, tag in images:
        with _open(address, f"{repository}/manifests/{tag}") as answer:
            text: bytes = answer.read()
        digest = hashlib.sha256(text).hexdigest()
        manifest = json.loads(text)
        blob(digest).parent.mkdir(parents=True, exist_ok=True)
        blob(digest).write_bytes(text)
        own = root / "repositories" / repository
        _link(own / "_manifests/revisions/sha256" / digest, digest)
        _link(own / "_manifests/tags" / tag / "current", digest)
        _link(own / "_manifests/tags" / tag / "index/sha256" / digest, digest)
        for part in (manifest["config"], *manifest["layers"]):
            name = part["digest"].removeprefix("sha256:")
            _link(own / "_layers/sha256" / name, name)
            if not blob(name).exists():
                blob(name).parent.mkdir(parents=True, exist_ok=True)
                with _open(address, f"{repository}/blobs/sha256:{name}") as answer, blob(name).open("wb") as file:
                    shutil.copyfileobj(answer, file)
                size += blob(name).stat().st_size
    return size
