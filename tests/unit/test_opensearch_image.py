"""The image opensearch: one version, every jar known, and which months are old."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.spec import addresses

FOLDER = Path(__file__).resolve().parents[2] / "images" / "opensearch"
JARS = [line.split() for line in (FOLDER / "jars.sha256").read_text().splitlines()]


def test_all_is_of_one_version() -> None:
    poms = "".join(p.read_text() for p in sorted(FOLDER.glob("*.pom")))
    said = set(re.findall(r"org\.opensearch.*?<version>([\d.]+)</version>", poms))
    said |= set(
        re.findall(
            r"(?m)^(?:opensearch\.)?version=(.*)$",
            "".join(p.read_text() for p in FOLDER.glob("modules/*/*.properties")),
        )
    )
    said |= {found[1] for _, path in JARS if (found := re.search(r"/opensearch-([\d.]+)\.jar$", path))}
    assert len(said) == 1


def test_each_jar_is_known_once_and_each_module_has_a_pom_and_a_descriptor() -> None:
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest, _ in JARS)
    names = [Path(path).name for _, path in JARS]
    assert len(names) == len(set(names)) > 40
    modules = {Path(path).parts[1] for _, path in JARS if path.startswith("./modules/")}
    assert modules == {p.parent.name for p in FOLDER.glob("modules/*/plugin-descriptor.properties")}
    assert modules | {"lib"} == {p.stem for p in FOLDER.glob("*.pom")}


def test_its_ports_are_those_that_it_is_asked_at() -> None:
    assert f':{addresses.HISTORY}" ssl' in (FOLDER / "config" / "haproxy.cfg").read_text()
    settings = (FOLDER / "config" / "opensearch.yml").read_text()
    assert (
        f"http.port: {addresses.HISTORY + 1}\n" in settings
        and f"transport.port: {addresses.HISTORY + 101}\n" in settings
    )
    assert "network.host: 127.0.0.1\n" in settings


@pytest.mark.parametrize(
    ("keep", "now", "old"),
    [
        (365, "2026-12-01T00:00:00", {"2024.02", "2025.10"}),
        (365, "2026-12-01T00:00:01", {"2024.02", "2025.10", "2025.11"}),
        (1, "2026-12-01T12:00:00", {"2024.02", "2025.10", "2025.11"}),
        (1, "2026-12-02T12:00:00", {"2024.02", "2025.10", "2025.11", "2026.11"}),
        (3650, "2026-12-01T00:00:00", set()),
        (640, "2025-12-01T00:00:00", set()),
        (639, "2025-12-01T00:00:00", {"2024.02"}),
    ],
)
def test_a_month_is_old_when_its_last_day_is(keep: int, now: str, old: set[str]) -> None:
    names = ["2024.02", "2025.10", "2025.11", "2026.11", "2026.12"]
    text = (
        "".join(f"history-{name}\n" for name in names)
        + "history-2020.13\nother-2020.01\nhistory-2020.1\n.history-2020.01\n\n"
    )
    moment = int(datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp())
    done = subprocess.run(
        [str(FOLDER / "opensearch-expired"), str(keep), str(moment)],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [f"history-{name}" for name in names if name in old]
