"""A Debian 13 machine under QEMU: systemd, cgroup v2 only, a Docker engine; reached over a tap device."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from registry_files import copy_images

from tools.image_build import cache_dir
from tools.image_store import DEFAULT_REGISTRY, REGISTRY_CONTAINER, REGISTRY_VOLUME

HERE = Path(__file__).parent
# As make-disk writes them into the machine.
HOST, MACHINE, PREFIX = "10.90.0.1", "10.90.0.2", 24
TAP = "aerie-cgroup2"
# Emulation, so that it runs wherever QEMU does. Where /dev/kvm may be used: AERIE_QEMU_ACCEL=kvm.
ACCELERATOR = os.environ.get("AERIE_QEMU_ACCEL", "tcg,thread=multi,tb-size=1024")
MEMORY = 4096  # MB
BOOT_SECONDS = 600
AS_ROOT: list[str] = [] if os.geteuid() == 0 else ["sudo", "--"]
PACKAGES = {"qemu-system-x86_64": "qemu-system-x86", "debootstrap": "debootstrap", "mke2fs": "e2fsprogs"}


def run(*command: str, timeout: float = 600) -> str:
    """Its standard output; raises AssertionError with what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def install_packages() -> None:
    """QEMU and what makes its disks, where they are missing."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = sorted(package for program, package in PACKAGES.items() if not shutil.which(program, path=path))
    if missing:
        run(*AS_ROOT, "apt-get", "install", "-y", "-q", "--no-install-recommends", *missing, timeout=1200)


def base_disk() -> Path:
    """The folder with disk.raw, vmlinuz and initrd; made once, kept by the recipe's hash."""
    recipe = HERE / "make-disk"
    folder = cache_dir() / "cgroup2" / hashlib.sha256(recipe.read_bytes()).hexdigest()[:12]
    if not folder.exists():
        new = folder.with_name(f".new-{folder.name}-{os.getpid()}")
        new.mkdir(parents=True)
        try:
            run(*AS_ROOT, "nice", "-n", "10", str(recipe), str(new), timeout=3600)
            new.rename(folder)
        finally:
            if new.exists():
                run(*AS_ROOT, "rm", "-rf", str(new))
    return folder


@dataclass
class VirtualMachine:
    """`folder` is the run's own: keys, disks, logs, sockets. `images` are (repository, tag) for its push registry."""

    folder: Path
    images: Iterable[tuple[str, str]]
    registry_image: str
    reach: Iterable[str] = ()  # addresses behind the machine that the host has to reach

    @property
    def docker_socket(self) -> Path:
        """The machine's Docker engine, here."""
        return self.folder / "docker.sock"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    def ssh(self, *options: str) -> list[str]:
        return [
            "ssh", "-i", str(self.folder / "key"), "-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}",
            "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
            "-o", "ConnectTimeout=30", *options, f"root@{MACHINE}",
        ]  # fmt: skip

    def sh(self, script: str, timeout: float = 600) -> str:
        """A shell script's standard output, run there as root."""
        return run(*self.ssh(), script, timeout=timeout)

    def start(self) -> None:
        """Boots it; returns when its Docker engine answers on `docker_socket` and its push registry runs."""
        self._data_disk()
        self._network()
        self._boot()
        self._wait()
        forward = f"{self.docker_socket}:/run/docker.sock"
        self._spawn(
            "forward", self.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=60", "-L", forward)
        )
        self.sh(
            "set -e; docker load -q -i /run-data/registry-image.tar;"
            f"docker run -d --name {REGISTRY_CONTAINER} --network host --restart unless-stopped"
            f" -e LISTEN={DEFAULT_REGISTRY} -e MODE=rw -v {REGISTRY_VOLUME}:/var/lib/registry {self.registry_image}"
        )

    def stop(self) -> None:
        """Ends it, whatever state it is in; its disks go with the folder."""
        for name in ("forward", "qemu"):
            pid = self._pid(name)
            if pid:
                os.kill(pid, signal.SIGTERM)
                until = time.monotonic() + 30
                while self._pid(name) and time.monotonic() < until:
                    time.sleep(0.1)
        subprocess.run([*AS_ROOT, "ip", "link", "delete", TAP], capture_output=True)
        for disk in self.folder.glob("*.raw"):
            disk.unlink()

    def _data_disk(self) -> None:
        data = self.folder / "data"
        data.mkdir()
        for path, comment in ((self.folder / "key", "operator"), (data / "ssh_host_ed25519_key", "cgroup2-host")):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))
        host_key = data / "ssh_host_ed25519_key.pub"
        (self.folder / "known_hosts").write_text(f"{MACHINE} {host_key.read_text()}")
        (data / "authorized_keys").write_bytes((self.folder / "key.pub").read_bytes())
        address = os.environ.get("AERIE_PUSH_REGISTRY") or DEFAULT_REGISTRY
        copy_images(address, self.images, data / "registry")
        run("docker", "save", "-o", str(data / "registry-image.tar"), self.registry_image)
        size = sum(f.stat().st_size for f in data.rglob("*") if f.is_file()) // 1_000_000
        disk = self.folder / "data.raw"
        with disk.open("wb") as file:
            file.truncate((size * 5 // 4 + 512) * 1_000_000)
        run(*AS_ROOT, "chown", "-R", "0:0", str(data))
        run(
            *AS_ROOT,
            "env",
            "PATH=/usr/sbin:/sbin:/usr/bin:/bin",
            "mke2fs",
            "-q",
            "-F",
            "-t",
            "ext4",
            "-d",
            str(data),
            str(disk),
        )
        run(*AS_ROOT, "rm", "-rf", str(data))

    def _network(self) -> None:
        subprocess.run([*AS_ROOT, "ip", "link", "delete", TAP], capture_output=True)  # of an interrupted run
        run(*AS_ROOT, "ip", "tuntap", "add", TAP, "mode", "tap", "user", str(os.getuid()))
        run(*AS_ROOT, "ip", "address", "add", f"{HOST}/{PREFIX}", "dev", TAP)
        run(*AS_ROOT, "ip", "link", "set", TAP, "up")
        for address in self.reach:
            run(*AS_ROOT, "ip", "route", "add", f"{address}/32", "via", MACHINE)

    def _boot(self) -> None:
        base = base_disk()
        command = [
            "nice", "-n", "10", "qemu-system-x86_64", "-M", "q35", "-accel", ACCELERATOR, "-cpu", "max", "-smp", "2",
            "-m", str(MEMORY), "-display", "none", "-monitor", "none", "-serial", f"file:{self.console}", "-no-reboot",
            "-kernel", str(base / "vmlinuz"), "-initrd", str(base / "initrd"),
            "-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet",
            # What is written to the first disk is dropped at the end.
            "-drive", f"file={base / 'disk.raw'},if=virtio,format=raw,snapshot=on,cache=unsafe",
            "-drive", f"file={self.folder / 'data.raw'},if=virtio,format=raw,cache=unsafe",
            "-netdev", f"tap,id=n0,ifname={TAP},script=no,downscript=no", "-device", "virtio-net-pci,netdev=n0",
            "-device", "virtio-rng-pci",
        ]  # fmt: skip
        self._spawn("qemu", command)

    def _spawn(self, name: str, command: list[str]) -> None:
        """Starts a program of the machine's; it outlives this one, so that a machine can be kept."""
        log = (self.folder / f"{name}.log").open("wb")
        # QEMU keeps below TMPDIR what is written to a disk with snapshot=on.
        env = {**os.environ, "TMPDIR": str(self.folder)}
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=self.folder, start_new_session=True
        )
        (self.folder / f"{name}.pid").write_text(str(process.pid))

    def _pid(self, name: str) -> int:
        """The program's process, 0 if it has ended."""
        file = self.folder / f"{name}.pid"
        pid = int(file.read_text()) if file.exists() else 0
        try:
            if pid:
                os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass  # another run started it
        try:
            # A number that was given to another program since is not ours.
            return pid if Path(f"/proc/{pid}/cwd").readlink() == self.folder else 0
        except OSError:
            return 0

    def _wait(self) -> None:
        until = time.monotonic() + BOOT_SECONDS
        while True:
            said = (self.folder / "qemu.log").read_text()
            assert self._pid("qemu"), f"QEMU ended: {said}"
            done = subprocess.run(
                [*self.ssh(), "systemctl start operator.service && docker info"], capture_output=True, text=True
            )
            if done.returncode == 0:
                return
            tail = self.console.read_text(errors="replace")[-2000:] if self.console.exists() else ""
            assert time.monotonic() < until, f"no answer after {BOOT_SECONDS} s: {done.stderr}\n{tail}"
            time.sleep(2)
