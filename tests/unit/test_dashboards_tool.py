"""python -m tools.dashboards and aerie dashboards: what they write, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aerie import environment
from aerie.application import application
from components.monitoring.dashboards.catalogue import everything, files
from tests.unit.conftest import Checkout
from tools import dashboards as tool

FEDERATION = {"overview.json", "network.json", "services.json", "machines.json"}


def written(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.iterdir()}


def test_writes_all_and_then_only_what_differs(checkout: Checkout, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    lines = tool.make(out, root=checkout.root)
    assert written(out) == files(everything("aerie", ["demo"]))
    assert all(line.endswith(": new") for line in lines) and len(lines) == 5
    (out / "network.json").write_text("{}")
    lines = tool.make(out, root=checkout.root)
    assert [line for line in lines if not line.endswith(": as it was")] == [f"{out}/network.json: changed"]


def test_a_pool_whose_file_is_elsewhere_and_one_that_is_gone(checkout: Checkout, tmp_path: Path) -> None:
    tool.make(tmp_path / "out", ["cms"], checkout.root)
    assert set(written(tmp_path / "out")) == FEDERATION | {"pool-cms.json", "pool-demo.json"}
    (checkout.root / "Pulumi.demo.yaml").unlink()
    lines = tool.make(tmp_path / "out", ["cms"], checkout.root)
    assert [line for line in lines if "delete" in line] == [
        f"{tmp_path}/out/pool-demo.json: of a pool that is not here; delete it if there is none"
    ]
    assert "pool-demo.json" in written(tmp_path / "out"), "what was written for others is theirs"


@pytest.mark.parametrize(
    ("pools", "enabled", "said"),
    [
        (["x_y"], True, "--pool: 'x_y' is no name of a pool; write 1 to 20 of a-z, 0-9 and '-', a letter first"),
        (["../x"], True, "--pool: '../x' is no name of a pool; write 1 to 20 of a-z, 0-9 and '-', a letter first"),
        ([], False, "federation.yaml: monitoring.enabled: there are no metrics to show; write true, then aerie up of all sites"),
    ],
)  # fmt: skip
def test_refused(checkout: Checkout, tmp_path: Path, pools: list[str], enabled: bool, said: str) -> None:
    checkout.change("federation.yaml", lambda d: d.update(monitoring={"enabled": enabled}))
    with pytest.raises(tool.NoDashboards) as refused:
        tool.make(tmp_path / "out", pools, checkout.root)
    assert str(refused.value) == said
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(tool.NoDashboards, match=r"--out: .*/out cannot be written: File exists; name another folder"):
        tool.make(tmp_path / "out", root=checkout.root)


def test_the_command(checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "ROOT", checkout.root)
    done = CliRunner().invoke(application(), ["dashboards", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0 and f"Next: {tool.NEXT}" in done.output
    assert json.loads((tmp_path / "out" / "overview.json").read_text())["uid"] == "aerie-overview"
    refused = CliRunner().invoke(application(), ["dashboards", "--out", str(tmp_path / "out"), "--pool", "A"])
    assert refused.exit_code == 2


def test_a_federation_that_is_wrong_is_refused(
    checkout: Checkout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.change("federation.yaml", lambda d: d.update(monitoring={"enabled": "perhaps"}))
    with pytest.raises(Exception, match=r"federation\.yaml:\d+: monitoring\.enabled: 'perhaps' is no yes or no"):
        tool.make(tmp_path / "out", root=checkout.root)
