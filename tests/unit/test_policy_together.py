"""What several stacks' plans take away together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policy import together as program
from policy.rules.together import Step, together

SITES = ("torino", "cnaf", "bari")


def plan(site: str, etcd: str = "same", machine: str = "same") -> list[Step]:
    """The steps of a site's preview, with the operations on its etcd and its front-end."""
    base = f"urn:pulumi:{site}::aerie::aerie:index:Site$"
    service = f"{base}aerie:cluster:Service$command:remote:Command::{site}"
    return [
        {"op": "same", "urn": f"urn:pulumi:{site}::aerie::pulumi:pulumi:Stack::aerie-{site}"},
        {"op": machine, "urn": f"{base}aerie:iaas:DockerMachines$docker:index/container:Container::{site}-front-end"},
        {"op": etcd, "urn": f"{service}-front-end-etcd"},
        {"op": "update", "urn": f"{service}-agent-1-calico"},
    ]


def test_one_member_at_a_time_is_no_violation() -> None:
    plans = {"torino": plan("torino", etcd="update"), "cnaf": plan("cnaf"), "bari": plan("bari")}
    assert list(together(plans, 3)) == []


@pytest.mark.parametrize("op", ["update", "replace", "delete"])
def test_two_members_together_are_told_with_the_numbers(op: str) -> None:
    plans = {"torino": plan("torino", etcd=op), "cnaf": plan("cnaf", etcd=op), "bari": plan("bari")}
    assert [str(v) for v in together(plans, 3)] == [
        "cnaf-front-end-etcd, torino-front-end-etcd: the change takes down 2 members of etcd together: 1 of 3 would be left, 2 are "
        "needed; in federation.yaml, (the change as a whole): apply it to one site after the other, and wait in between until the "
        "quorum is whole (make status)"
    ]


def test_a_machine_takes_its_members_with_it() -> None:
    plans = {"torino": plan("torino", machine="replace"), "bari": plan("bari", etcd="update")}
    assert [v.resource for v in together(plans, 3)] == ["bari-front-end-etcd, torino-front-end"]
    # A machine that is changed in place goes on.
    assert list(together({**plans, "torino": plan("torino", machine="update")}, 3)) == []


def test_one_site_after_the_other_only_what_is_gone_counts() -> None:
    for op in ("update", "replace"):
        assert list(together({site: plan(site, etcd=op) for site in SITES}, 3, one_by_one=True)) == []
    gone = {"torino": plan("torino", etcd="delete"), "cnaf": plan("cnaf", etcd="delete"), "bari": plan("bari")}
    (violation,) = together(gone, 3, one_by_one=True)
    assert violation.mend == "take one member away in a change of its own, and wait until the quorum is whole"
    # What is deleted before it is made anew comes back.
    again = [*plan("torino", etcd="delete-replaced"), *plan("torino", etcd="create-replacement")]
    assert list(together({**gone, "torino": again}, 3, one_by_one=True)) == []


def test_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = []
    for site in SITES:
        file = tmp_path / f"{site}.json"
        file.write_text(json.dumps({"steps": plan(site, etcd="replace")}))
        arguments.append(f"{site}={file}")
    assert program.main(["--one-by-one", *arguments]) == 0
    assert program.main(arguments) == 1
    assert "takes down 3 members of etcd together: 0 of 3 would be left" in capsys.readouterr().err
