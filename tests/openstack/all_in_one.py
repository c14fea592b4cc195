"""A real OpenStack in one container: Keystone, Glance, Placement, Nova, Neutron and Cinder, for tests.

    python -m tests.openstack.all_in_one up [--driver fake|qemu] [--images FOLDER]
    python -m tests.openstack.all_in_one down
    python -m tests.openstack.all_in_one build

With the driver `fake` servers are rows in Nova's database: all that a program sees of a cloud, and no machine behind it.
With `qemu` they are machines, emulated; FOLDER has their kernel, initrd and root file system: vmlinuz, initrd, root.qcow2.
More in tests/openstack/cloud/README.md.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from components.image_tags import TAG_LENGTH, folder_digest
from tools.image_build import cache_dir, copy_sources

SOURCES = Path(__file__).parent / "cloud"
NAME = "aerie-openstack"
LAYERS = {
    "debian": f"{NAME}-debian",
    "packages": f"{NAME}-packages",
    "aio": NAME,
}  # folder: image, each on the one before
# Of the range for benchmarks, which nobody has: a cloud's own network, where its APIs are, and its external one. Not those
# that Docker would choose, which a federation may want; nor those for documentation, since a sandbox may have its package
# registries there.
NETWORKS = [(f"198.19.{number}.0/28", f"198.18.{number}.0/24") for number in range(256)]
READY_SECONDS = 300
TAIL_LINES = 30

_AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "--"]
_ROOM = [
    *(f"--cap-add={c}" for c in ("SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_CHROOT")),
    *(f"--cap-add={c}" for c in ("DAC_READ_SEARCH", "IPC_LOCK", "SYS_NICE", "MKNOD")),
    *(f"--security-opt={o}=unconfined" for o in ("seccomp", "apparmor", "systempaths")),
    *("--device=/dev/net/tun", "--sysctl=net.ipv4.ip_forward=1"),
]


class CloudError(Exception):
    """The image could not be built, or the cloud does not start; the text says why."""


def _say(line: str) -> None:
    print(line, flush=True)


def docker(*words: str, check: bool = True, stdin: str | None = None, timeout: float = 120) -> str:
    """Its standard output. Raises CloudError with its words if it fails and `check` is set."""
    try:
        done = subprocess.run(("docker", *words), capture_output=True, text=True, input=stdin, timeout=timeout)
    except FileNotFoundError as error:
        raise CloudError("the `docker` client is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise CloudError(f"docker {' '.join(words[:5])}: not done after {timeout:.0f} s") from error
    if check and done.returncode:
        raise CloudError(f"docker {' '.join(words[:5])}: {(done.stderr + done.stdout).strip()}")
    return done.stdout


def image_references() -> dict[str, str]:
    """Folder below cloud/ -> the image made from it; the tag is a digest of the folder and of what it is built on."""
    references: dict[str, str] = {}
    below = ""
    for folder, name in LAYERS.items():
        tag = hashlib.sha256(f"{folder_digest(SOURCES / folder)}\n{below}".encode()).hexdigest()[:TAG_LENGTH]
        below = references[folder] = f"{name}:{tag}"
    return references


@dataclass
class AllInOne:
    """One cloud: a container and a network, both of this name. Any number of them run side by side.

    Nothing is published: the APIs are reached at the container's address, which is the catalog's too. The network leads
    nowhere but to this machine. clouds.yaml is written to `folder`.
    """

    folder: Path
    name: str = NAME
    driver: str = "fake"
    images: Path | None = None  # a folder with vmlinuz, initrd and root.qcow2: image `debian-13`
    say: Callable[[str], None] = _say

    def build(self) -> str:
        """Makes the images that are missing; the name of the one that runs."""
        references = image_references()
        if _is_there(references["aio"]):
            return references["aio"]
        with _only_one(self.say):
            missing: list[str] = []
            for folder in reversed(references):  # those below one that is there are not needed
                if _is_there(references[folder]):
                    break
                missing.insert(0, folder)
            for folder in missing:
                began = time.monotonic()
                self.say(f"{references[folder]}: build ...")
                _build(folder, references)
                self.say(f"{references[folder]}: built in {time.monotonic() - began:.0f} s")
        return references["aio"]

    def start(self) -> None:
        """Brings it up, in place of one of this name; returns when every service is up. About 45 s.

        Raises CloudError with the log's tail if it is not; what runs then is left for a look: `stop` removes it.
        """
        image = self.build()
        self.stop()
        external = self._create_network()
        images = [f"--volume={self.images.absolute()}:/images:ro", "--env=AIO_IMAGES=/images"] if self.images else []
        docker(
            *("run", "--detach", "--name", self.name, "--label", NAME, "--network", self.name),
            *("--hostname", "aio", "--add-host", "aio:127.0.0.1", *_ROOM, *images),
            *(f"--env=AIO_DRIVER={self.driver}", f"--env=AIO_EXTERNAL={external}", image),
        )
        self._wait()
        # Floating addresses are behind the container; without a route, what is sent to them would leave this machine.
        # It goes with the cloud's network. By Docker, which needs no sudo.
        docker(
            *("run", "--rm", "--network", "host", "--cap-add", "NET_ADMIN", "--entrypoint", "ip", image),
            *("route", "replace", external, "via", self.address),
        )
        self._write_clouds_yaml()

    def stop(self) -> None:
        """Removes its container, its network and clouds.yaml, whatever state they are in."""
        if docker("ps", "--all", "--quiet", "--filter", f"name=^/{self.name}$").strip():
            docker("rm", "--force", "--volumes", self.name)
        if docker("network", "ls", "--quiet", "--filter", f"name=^{self.name}$").strip():
            docker("network", "rm", self.name)
        (self.folder / "clouds.yaml").unlink(missing_ok=True)

    def run(self, *command: str, stdin: str | None = None, timeout: float = 120) -> str:
        """A command's standard output, run in the container as root. Raises CloudError if it fails."""
        return docker(
            "exec", *(["--interactive"] if stdin is not None else []), self.name, *command, stdin=stdin, timeout=timeout
        )

    @property
    def address(self) -> str:
        """The container's, as the host reaches it."""
        return docker(
            "inspect", "--format", f'{{{{(index .NetworkSettings.Networks "{self.name}").IPAddress}}}}', self.name
        ).strip()

    @property
    def external(self) -> IPv4Network:
        """Where its floating addresses are of."""
        return IPv4Network(self.run("printenv", "AIO_EXTERNAL").strip())

    def clouds_yaml(self) -> Path:
        """The file of the running cloud: `aio` is project demo's member, `aio-admin` the administrator."""
        path = self.folder / "clouds.yaml"
        if not path.exists():
            self._write_clouds_yaml()
        return path

    def _create_network(self) -> str:
        """The container's; the external one that goes with it."""
        for own, external in NETWORKS:
            try:
                docker("network", "create", "--internal", "--subnet", own, "--label", NAME, self.name)
                return external
            except CloudError as error:
                if "overlap" not in str(error):  # another cloud has it
                    raise
        raise CloudError(f"as many clouds as {len(NETWORKS)} run already")

    def _write_clouds_yaml(self) -> None:
        text = self.run("cat", "/run/aio/clouds.yaml")
        self.folder.mkdir(parents=True, exist_ok=True)
        # Never readable by others, not even for a moment; renamed, so that a reader sees all of it.
        file, new = tempfile.mkstemp(prefix=".clouds.", dir=self.folder)
        with os.fdopen(file, "w") as output:
            output.write(text)
        Path(new).rename(self.folder / "clouds.yaml")

    def _wait(self) -> None:
        """Passes on what the container says, until it says that it is ready."""
        log = subprocess.Popen(
            ("docker", "logs", "--follow", self.name), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert log.stdout
        limit = threading.Timer(READY_SECONDS, log.terminate)
        limit.start()
        said: list[str] = []
        try:
            for line in log.stdout:
                said.append(line.rstrip())
                self.say(f"{self.name}: {line.rstrip()}")
                if line.rstrip().endswith("READY"):
                    return
        finally:
            limit.cancel()
            log.terminate()
            log.wait()
        logs = f"{self.name} is not ready; to have its logs: docker cp {self.name}:/var/log/aio ."
        raise CloudError("\n".join([*said[-TAIL_LINES:], logs]))


def _is_there(reference: str) -> bool:
    return bool(docker("image", "ls", "--quiet", reference).strip())


def _build(folder: str, references: dict[str, str]) -> None:
    """One image, from the one before it."""
    folders = list(references)
    reference, before = references[folder], folders[: folders.index(folder)]
    work = Path(tempfile.mkdtemp(prefix=f"{folder}-", dir=_home()))
    context = work / "source"
    log = _home() / f"{reference.replace(':', '-')}.log"
    try:
        copy_sources(SOURCES / folder, context)
        if (context / "Dockerfile").exists():
            # Packages are fetched as this machine does; the rest has to be by itself (see its Dockerfile).
            network = "host" if folder == "packages" else "none"
            base = f"BASE={references[before[-1]]}"
            command = ["docker", "build", "--network", network, "--build-arg", base, "--tag", reference, str(context)]
        else:
            command = ["nice", "-n", "10", str(context / "make-image"), reference, str(work)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                status = process.wait()
            except BaseException:  # an interruption: with all its children, and after it has cleaned up
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                raise
    finally:
        subprocess.run([*_AS_ROOT, "rm", "-rf", "--one-file-system", str(work)], check=False)
    if status:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        raise CloudError(f"{tail}\n{reference}: `{command[0]}` failed (status {status}); whole log: {log}")


def _home() -> Path:
    path = cache_dir() / "openstack"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def _only_one(say: Callable[[str], None]) -> Iterator[None]:
    """Keeps a second builder from making the same images at the same time."""
    with (_home() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another builder")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.openstack.all_in_one", description="A real OpenStack in one container, for tests."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="make the image, unless it is there")
    up = commands.add_parser("up", help="start it, in place of one that runs")
    down = commands.add_parser("down", help="remove it")
    for command in (up, down):
        command.add_argument("--name", default=NAME, help=f"of its container and its network ({NAME})")
        command.add_argument("--folder", type=Path, help="where clouds.yaml is (below ~/.cache/aerie/openstack)")
    up.add_argument(
        "--driver", choices=("fake", "qemu"), default="fake", help="fake: no machine behind a server (default)"
    )
    up.add_argument("--images", type=Path, metavar="FOLDER", help="vmlinuz, initrd and root.qcow2 for image debian-13")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        if chosen.command == "build":
            print(f"{AllInOne(_home()).build()} is there")
            return 0
        cloud = AllInOne(chosen.folder or _home() / chosen.name, chosen.name)
        if chosen.command == "down":
            cloud.stop()
            print(f"{chosen.name} is gone")
            return 0
        cloud.driver, cloud.images = chosen.driver, chosen.images
        cloud.start()
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"\nIt runs: Keystone is at http://{cloud.address}:5000/v3, floating addresses are of {cloud.external}. To use it:\n"
        f"  export OS_CLIENT_CONFIG_FILE={cloud.clouds_yaml()} OS_CLOUD=aio  # demo's member; aio-admin: all of it\n"
        f"  docker exec -it -e OS_CLIENT_CONFIG_FILE=/run/aio/clouds.yaml -e OS_CLOUD=aio {cloud.name} openstack\n"
        f"To remove it: python -m tests.openstack.all_in_one down"
        + (f" --name {cloud.name}" if cloud.name != NAME else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
