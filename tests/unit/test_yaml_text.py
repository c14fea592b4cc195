"""libyaml reads and writes what PyYAML does: else a stack's resources would change with the machine that applies them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components import yaml_text
from components.fabric.calico_objects import calico_objects, calico_objects_yaml
from components.spec.loader import read_federation, read_yaml

ROOT = Path(__file__).parents[2]
FILES = sorted({*ROOT.glob("*.yaml"), *(ROOT / "tests" / "unit" / "data").rglob("*.yaml")})


def documents(text: str, loader: Any) -> list[Any] | None:
    try:
        return list(yaml.load_all(text, loader))
    except yaml.YAMLError:
        return None


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
def test_it_is_libyaml() -> None:
    assert yaml_text.SafeLoader is yaml.CSafeLoader and yaml_text.SafeDumper is yaml.CSafeDumper


def test_files_are_read_the_same() -> None:
    assert len(FILES) > 20
    for file in FILES:
        text = file.read_text()
        assert documents(text, yaml_text.SafeLoader) == documents(text, yaml.SafeLoader), file


def test_files_are_written_the_same() -> None:
    for file in FILES:
        for found in documents(file.read_text(), yaml.SafeLoader) or []:
            assert yaml_text.dump(found) == yaml.safe_dump(found), file
            assert yaml_text.dump(found, sort_keys=False) == yaml.safe_dump(found, sort_keys=False), file


def test_objects_of_calico_are_written_the_same() -> None:
    federation, problems = read_federation(ROOT / "tests" / "unit" / "data" / "spec" / "base")
    assert federation and not problems
    for site in federation.sites:
        assert calico_objects_yaml(federation, site) == yaml.safe_dump_all(calico_objects(federation, site))


WORDS = st.text("ab1 .:-_/'\"=!&*()[]{}#,<>", max_size=150)  # of what names, addresses and selectors are made
VALUES = st.recursive(
    WORDS | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abC-_", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text("abC-_", min_size=1), VALUES, max_size=4), min_size=1, max_size=3))
def test_whatever_is_written_is_written_the_same(given: list[Any]) -> None:
    text = yaml_text.dump_all(given)
    assert text == yaml.safe_dump_all(given, sort_keys=True)
    assert list(yaml_text.load_all(text)) == given


def test_what_is_no_yaml_is_told_in_the_same_words_everywhere(tmp_path: Path) -> None:
    (tmp_path / "federation.yaml").write_text("name: [a\nimages: b\n")
    _, (problem,) = read_yaml(tmp_path / "federation.yaml")
    with pytest.raises(yaml.YAMLError) as told:
        yaml.safe_load("name: [a\nimages: b\n")
    assert problem.what == f"is no YAML: {getattr(told.value, 'problem', '')}"
