"""SSH for the tools: into a pool as a user, into a machine as its operator; host keys pinned, keys in AERIE_HOME."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it takes longer to import than to ask all machines, and `make status` begins with that
    from components.spec.model import Federation, Pool


def aerie_home(federation: Federation) -> Path:
    """The federation's own folder: state, passphrase, keys, logs."""
    return Path(os.environ.get("AERIE_HOME") or Path.home() / ".aerie" / federation.name)


@dataclass(frozen=True)
class Login:
    """One way in by SSH."""

    user: str
    host: str
    port: int
    key: Path
    known_hosts: Path

    @property
    def command(self) -> list[str]:
        """`ssh` with everything but what to run there."""
        return [
            "ssh", "-i", str(self.key), "-p", str(self.port), "-o", f"UserKnownHostsFile={self.known_hosts}",
            "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5",
            "-o", "LogLevel=ERROR", f"{self.user}@{self.host}",
        ]  # fmt: skip

    def run(self, script: str, stdin: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs `script` there."""
        return subprocess.run([*self.command, script], input=stdin, capture_output=True, text=True, timeout=timeout)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists() or path.read_text() != text:
        path.touch(mode=0o600)
        path.write_text(text)
    path.chmod(0o600)
    return path


def make_user_key(home: Path, user: str) -> Path:
    """The key pair by which the tools log in as a pool's user; made once."""
    key = home / "ssh" / user
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", user, "-f", str(key)], check=True)
    return key


CONFIG = """# How to get into pool {name}: ssh -F THIS-FILE {name}
Host {name}
    HostName {host}
    Port {port}
    User {user}
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known}
    StrictHostKeyChecking yes
    LogLevel ERROR
"""


def pool_config(home: Path, name: str) -> Path:
    """The SSH configuration by which the pool's first user gets in; there once its key and host key are."""
    return home / "ssh" / f"{name}.conf"


def pool_login(federation: Federation, name: str, pool: Pool, outputs: Mapping[str, Any], user: str) -> Login:
    """Into the pool's submit node, by the front-end's port; `outputs` are those of the pool's stack."""
    home = aerie_home(federation)
    host, host_key = str(outputs["login_host"]), outputs["ssh_host_key"]
    port = pool.submit_node.ssh_port
    known = _write(home / "ssh" / f"known_hosts-{name}", f"[{host}]:{port} {host_key}\n")
    login = Login(user, host, port, home / "ssh" / user, known)
    text = CONFIG.format(name=name, host=host, port=port, user=user, key=login.key, known=known)
    _write(pool_config(home, name), text)
    return login


def machine_logins(
    federation: Federation, shared: dict[str, Any], site: str, outputs: dict[str, Any]
) -> dict[str, Login]:
    """Into each machine of a site, by its stack's outputs and the federation's (`shared`)."""
    return site_logins(aerie_home(federation), shared, site, outputs)


def site_logins(home: Path, shared: dict[str, Any], site: str, outputs: dict[str, Any]) -> dict[str, Login]:
    """The same for who has not read the federation's file; `home` is its AERIE_HOME."""
    key = _write(home / "ssh" / f"site-{site}", shared["ssh_private_keys"][site])
    lines = "".join(f"{address} {outputs['host_keys'][name]}\n" for name, address in outputs["machines"].items())
    known = _write(home / "ssh" / f"known_hosts-site-{site}", lines)
    return {name: Login("root", address, 22, key, known) for name, address in outputs["machines"].items()}
