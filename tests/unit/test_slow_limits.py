"""The limits of time that the tests on emulated machines make longer are still where those tests look for them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def table(file: Path) -> list[tuple[str, str, str]]:
    """What SLOW says in `file`: where, the text, the text instead."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and [t.id for t in node.targets if isinstance(t, ast.Name)] == ["SLOW"]:
            return list(ast.literal_eval(node.value))
    raise AssertionError(f"{file} has no SLOW")


@pytest.mark.parametrize("name", ["tests/cgroup2/one_site.py", "tests/openstack/vm/two_sites.py"])
def test_limits_are_found(name: str) -> None:
    for where, usual, patient in table(ROOT / name):
        assert (ROOT / where).read_text().count(usual) == 1, (where, usual)
        assert usual != patient
