"""Where finished images are: the local Docker engine and the push registry."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request

from components.image_tags import PREFIX, ImageError

DEFAULT_REGISTRY = "127.0.0.1:5000"
REGISTRY_CONTAINER = "aerie-registry"
REGISTRY_VOLUME = "aerie-registry"

_MANIFESTS = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs the `docker` client.  Raises ImageError with its words if it fails and `check` is set."""
    try:
        done = subprocess.run(("docker", *arguments), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ImageError("the `docker` client is not installed") from error
    if check and done.returncode:
        raise ImageError(f"docker {' '.join(arguments[:2])}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def reference(name: str, tag: str) -> str:
    """The name of an image in the local engine."""
    return f"{PREFIX}{name}:{tag}"


def local_size(name: str, tag: str) -> int | None:
    """Bytes of the image in the local engine, None if it is not there."""
    done = docker("image", "inspect", "--format", "{{.Size}}", reference(name, tag), check=False)
    if done.returncode == 0:
        return int(done.stdout)
    if "no such image" in done.stderr.lower():
        return None
    raise ImageError(f"docker image inspect: {done.stderr.strip()}")


class Registry:
    """The registry that images are pushed to; plain HTTP on a loopback address."""

    def __init__(self, address: str | None = None) -> None:
        self.address = address or os.environ.get("AERIE_PUSH_REGISTRY") or DEFAULT_REGISTRY
        # A loopback address is never behind the proxy that http_proxy names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def _status(self, path: str, method: str = "GET") -> int | None:
        """HTTP status, None if nothing answers."""
        request = urllib.request.Request(f"http://{self.address}/v2/{path}", method=method)
        request.add_header("Accept", _MANIFESTS)
        try:
            with self._opener.open(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except (urllib.error.URLError, OSError):
            return None

    def up(self) -> bool:
        return self._status("") == 200

    def has(self, name: str, tag: str) -> bool:
        """False also if the registry does not run."""
        return self._status(f"{PREFIX}{name}/manifests/{tag}", "HEAD") == 200

    def push(self, name: str, tag: str) -> None:
        remote = f"{self.address}/{reference(name, tag)}"
        docker("tag", reference(name, tag), remote)
        try:
            docker("push", "--quiet", remote)
        finally:
            docker("rmi", "--no-prune", remote, check=False)

    def pull(self, name: str, tag: str) -> None:
        remote = f"{self.address}/{reference(name, tag)}"
        docker("pull", "--quiet", remote)
        docker("tag", remote, reference(name, tag))
        docker("rmi", "--no-prune", remote, check=False)

    def start(self, tag: str, patience: float = 30.0) -> str:
        """Sees to it that container `aerie-registry` runs image registry:<tag>; says what was done.

        Raises ImageError if it does not answer within `patience` seconds.
        """
        image = reference("registry", tag)
        # `--format` with both facts at once: the container may vanish between two questions.
        seen = docker(
            "container",
            "inspect",
            "--format",
            "{{json .State.Running}} {{json .Config.Image}}",
            REGISTRY_CONTAINER,
            check=False,
        )
        running, _, of_image = seen.stdout.strip().partition(" ")
        if seen.returncode == 0 and json.loads(of_image) == image:
            if running == "true" and self.up():
                return "already running"
            docker("start", REGISTRY_CONTAINER)
            done = "started again"
        else:
            docker("rm", "--force", REGISTRY_CONTAINER, check=False)
            docker(
                *("run", "--detach", "--name", REGISTRY_CONTAINER, "--network", "host", "--restart", "unless-stopped"),
                *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
                *("--env", f"LISTEN={self.address}", "--env", "MODE=rw"),
                *("--volume", f"{REGISTRY_VOLUME}:/var/lib/registry", image),
            )
            done = "replaced" if seen.returncode == 0 else "started"
        deadline = time.monotonic() + patience
        while not self.up():
            state = docker("container", "inspect", "--format", "{{.State.Status}}", REGISTRY_CONTAINER).stdout.strip()
            if time.monotonic() > deadline or state in ("exited", "restarting"):
                tail = docker("logs", "--tail", "20", REGISTRY_CONTAINER, check=False)
                raise ImageError(f"the registry on {self.address} does not answer\n{tail.stdout}{tail.stderr}")
            time.sleep(0.05)
        return done
