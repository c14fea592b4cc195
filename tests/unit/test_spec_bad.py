"""Configurations that are refused: data/spec/bad/<case>.txt holds the files and the words that refuse them.

A case starts with what it shows. `--- FILE` replaces a file of data/spec/base (`--- FILE missing` takes it away), `--- host` holds
networks of the Docker host, `--- home/FILE` files of the user, `--- stack NAME` says which stack is planned (torino if
not given), `--- problems` ends it. After a wanted change: AERIE_WRITE_EXPECTED=1 pytest tests/unit/test_spec_bad.py,
and read the diff.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from components.spec.loader import read_yaml, stack_values
from components.spec.problems import ConfigError
from components.spec.rules import HostNetwork, HostNetwork6
from components.spec.validate import plan
from tests.unit.conftest import BASE, KEY

DATA = Path(__file__).parent / "data" / "spec" / "bad"
CASES = sorted(DATA.glob("*.txt"))


@dataclass(frozen=True)
class Case:
    stack: str
    host: list[HostNetwork | HostNetwork6]
    problems: str


def lay_out(text: str, root: Path, home: Path) -> Case:
    """Writes the case's files below `root` and `home`."""
    _title, *parts = re.split(r"(?m)^--- (.*)\n", text)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    stack, host = "torino", list[HostNetwork | HostNetwork6]()
    shutil.copytree(BASE, root)
    (home / "ssh").mkdir(parents=True)
    (home / "ssh" / "demo.pub").write_text(KEY + "\n")
    for name, body in sections.items():
        if name.startswith("stack "):
            stack = name.removeprefix("stack ")
        elif name == "host":
            host = [
                HostNetwork6(IPv6Network(n), owner) if ":" in n else HostNetwork(IPv4Network(n), owner)
                for n, _, owner in (line.partition(" ") for line in body.splitlines())
            ]
        elif name.endswith(" missing"):
            (root / name.removesuffix(" missing")).unlink()
        elif name.startswith("home/"):
            (home / name.removeprefix("home/")).write_text(body)
        elif name != "problems":
            (root / name).write_text(body)
    return Case(stack, host, sections["problems"])


def refusal(case: Case, root: Path, home: Path) -> str:
    """The problems as the user sees them, a line each."""
    data, found = read_yaml(root / f"Pulumi.{case.stack}.yaml")
    values = {} if found else stack_values(data)
    with pytest.raises(ConfigError) as refused:
        plan(root, case.stack, values, case.host, home)
    count, *lines = str(refused.value).splitlines()
    assert count.startswith("1 problem " if len(lines) == 1 else f"{len(lines)} problems ")
    text = "".join(f"{line.strip()}\n" for line in lines)
    return text.replace(str(home), "HOME").replace(str(root), "ROOT")


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_refused(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, home = tmp_path / "checkout", tmp_path / "home"
    monkeypatch.setenv("AERIE_HOME", str(home))
    text = file.read_text()
    case = lay_out(text, root, home)
    said = refusal(case, root, home)
    if os.environ.get("AERIE_WRITE_EXPECTED"):
        file.write_text(text.partition("--- problems\n")[0] + "--- problems\n" + said)
    else:
        assert said == case.problems


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_a_refusal_says_where_and_what_to_write(file: Path) -> None:
    for line in file.read_text().partition("--- problems\n")[2].splitlines():
        assert re.fullmatch(r"[\w.-]+\.yaml(:\d+)?: [^:]+: .+; .+", line), line
        assert "  " not in line and "input should" not in line and "pydantic" not in line
