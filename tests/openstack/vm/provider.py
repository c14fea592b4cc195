"""A tiny program of Pulumi's Docker provider, whose engine is behind SSH on one of the machines."""

from __future__ import annotations

import json

from two_sites import TwoSites

VOLUME = "aerie-provider"
PROGRAM = """import json, os
import pulumi, pulumi_docker as docker

told = json.loads(os.environ["TOLD"])
engine = docker.Provider("engine", host=told["host"], ssh_opts=told["ssh_opts"])
docker.Volume("volume", name=told["volume"], opts=pulumi.ResourceOptions(provider=engine))
"""


def docker_over_ssh(sites: TwoSites, machine: str, destroy: bool = False) -> str:
    """Makes a Docker volume on the machine by `pulumi up`, or takes it away by `destroy`; its name."""
    farm, folder = sites.farm, sites.farm.home / "provider"
    folder.mkdir(exist_ok=True)
    (folder / "__main__.py").write_text(PROGRAM)
    python = farm.path / ".venv"
    (folder / "Pulumi.yaml").write_text(
        f"name: provider\nruntime: {{name: python, options: {{virtualenv: {python}}}}}\n"
    )
    # OpenSSH's own configuration: the agent's way leads by the front-end, and both host keys are pinned.
    told = {"host": f"ssh://root@{machine}", "ssh_opts": ["-F", str(sites.ssh_config)], "volume": VOLUME}
    farm.env["TOLD"] = json.dumps(told)
    verb = "destroy" if destroy else "up"
    farm.shell(
        f"cd {folder} && (pulumi stack select -c machine --non-interactive) && "
        f"pulumi {verb} -s machine --yes --skip-preview --non-interactive --color never"
    )
    return VOLUME
