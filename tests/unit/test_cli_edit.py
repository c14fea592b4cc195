"""`aerie init`, `site` and `pool`: files before, a command, files after, as data; and the parts by themselves."""

from __future__ import annotations

import shlex
import shutil
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from aerie.files import choose, plans
from aerie.files.blocks import NoBlock, add_entry, remove_entry
from components.spec.loader import read_federation, read_sites
from components.spec.model import Federation
from components.spec.validate import read_pools
from tests.unit.cli_data import DATA, Clone, clone_in
from tests.unit.conftest import BASE

CASES = sorted(p.name for p in (DATA / "edit").iterdir())
TEXT = """\
# above
sites:            # all of them
  # the first
  torino:
    lan: 172.31.1.0/24   # here

  # Bologna
  cnaf:
    lan: 172.31.2.0/24
    links:
      - torino

# below
name: aerie
"""


@pytest.mark.parametrize("case", CASES)
def test_command_on_files(case: str, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`command`, `before/` (the tests' usual files if there is none), `after/` (what has changed), `says`, `stacks` that exist."""
    folder, root = DATA / "edit" / case, tmp_path / "clone"
    monkeypatch.setenv("AERIE_HOME", str(home))
    before = folder / "before"
    shutil.copytree(before if before.is_dir() else BASE, root)
    (root / "empty").unlink(missing_ok=True)  # what keeps the folder of a case without files
    old = {p.name: p.read_text() for p in root.iterdir()}
    the = clone_in(root, monkeypatch)
    the.stacks += (folder / "stacks").read_text().split() if (folder / "stacks").exists() else []
    command = (folder / "command").read_text().replace("$DATA", str(DATA))
    (root / "status").write_text("")
    status, said = the.run(*shlex.split(command)[1:])
    (root / "status").unlink()
    assert f"{said.replace(str(DATA), '$DATA')}status {status}\n" == (folder / "says").read_text()
    after = {p.name: p.read_text() for p in (folder / "after").iterdir()} if (folder / "after").is_dir() else {}
    gone = {name for name, text in after.items() if not text}
    now = {p.name: p.read_text() for p in root.iterdir()}
    assert now == {name: text for name, text in {**old, **after}.items() if name not in gone}


def test_entry_is_added_at_the_end_of_its_block() -> None:
    text = add_entry(TEXT, "sites", "bari", ["lan: 172.31.3.0/24"])
    assert text == TEXT.replace("      - torino\n", "      - torino\n  bari:\n    lan: 172.31.3.0/24\n")


def test_entry_goes_with_its_comment() -> None:
    assert remove_entry(TEXT, "sites", "cnaf") == TEXT.replace(
        "  # Bologna\n  cnaf:\n    lan: 172.31.2.0/24\n    links:\n      - torino\n", ""
    )
    assert "# the first" in remove_entry(TEXT, "sites", "torino"), "it may be about all of them"


@pytest.mark.parametrize("text", ["sites: {a: {x: 1}}\n", "name: aerie\n", "sites: {}\n", "- a\n", ""])
def test_a_block_that_is_none_is_left_alone(text: str) -> None:
    with pytest.raises(NoBlock, match="lines of its own"):
        add_entry(text, "sites", "b", [])


def test_what_is_there_or_is_not() -> None:
    with pytest.raises(ValueError, match="is there already"):
        add_entry(TEXT, "sites", "cnaf", [])
    with pytest.raises(ValueError, match="is not there"):
        remove_entry(TEXT, "sites", "bari")
    with pytest.raises(ValueError, match="the only one"):
        remove_entry("sites:\n  a:\n    x: 1\n", "sites", "a")


NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), min_size=2, max_size=5, unique=True)


@example(["a", "no"], "", False)
@given(NAMES, st.sampled_from(["", "\n", "# end\n", "other: 1\n", "\n# c\nother:\n  a: 1\n"]), st.booleans())
def test_added_and_removed_is_as_before(names: list[str], tail: str, newline: bool) -> None:
    *have, new = names
    text = (
        "sites:\n"
        + "".join(f"  # of {n}\n  '{n}': {{lan: 10.0.{i}.0/24}}  # here\n" for i, n in enumerate(have))
        + tail
    )
    text = text if newline or tail else text.removesuffix("\n")
    added = add_entry(text, "sites", new, ["lan: 10.0.9.0/24"])
    assert yaml.safe_load(added) == {
        **yaml.safe_load(text),
        "sites": {**yaml.safe_load(text)["sites"], new: {"lan": "10.0.9.0/24"}},
    }
    assert remove_entry(added, "sites", new).rstrip("\n") == text.rstrip("\n")


@pytest.fixture
def federation() -> Federation:
    found, problems = read_federation(BASE)
    assert found is not None, problems
    return found


def test_sites_are_added_until_there_is_no_room(federation: Federation) -> None:
    """Each is clear of all others, in whatever is left, and the end says what to widen."""
    with pytest.raises(choose.NoneFree, match=r"network\.containers \(10\.65\.0\.0/16\) has no free /26 left"):
        for number in range(600):
            new = choose.new_site(federation)
            for site in federation.sites.values():
                assert not new.lan.overlaps(site.lan) and not new.containers.overlaps(site.containers)
                assert new.as_number != site.as_number and new.vpn_endpoint != site.vpn_endpoint
            federation = plans.with_site(federation, f"s{number}", new)
    assert len(federation.sites) == 4  # three of a quarter each, and one that gets the last


def test_a_lan_that_this_machine_has_is_not_taken(federation: Federation) -> None:
    assert choose.new_site(federation, [IPv4Network("172.31.4.0/23")]).lan == IPv4Network("172.31.6.0/24")


def test_networks_of_a_new_federation_are_clear_of_this_machines() -> None:
    taken = [IPv4Network("172.16.0.0/12"), IPv4Network("10.65.0.0/16")]
    found = choose.networks(taken)
    all_ = [found.lans, found.containers, found.fixed, found.wan]
    assert not any(a.overlaps(b) for a in all_ for b in taken)
    assert not any(a.overlaps(b) for i, a in enumerate(all_) for b in all_[:i])
    with pytest.raises(choose.NoneFree, match=r"network\.lans"):
        choose.networks([IPv4Network("0.0.0.0/0")])


@pytest.mark.parametrize(("sites", "members"), [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (6, 5), (9, 5)])
def test_quorum_is_odd_and_at_most_five(sites: int, members: int) -> None:
    assert choose.quorum(sites) == members


def test_pool_numbers_and_ports_are_free_ones(federation: Federation) -> None:
    pools, (sites, _) = read_pools(BASE, federation), read_sites(federation, BASE)
    assert choose.pool_number(federation, pools) == 2
    assert choose.pool_number(federation, {}) == 1
    assert (choose.ssh_port("torino", sites["torino"], pools), choose.ssh_port("cnaf", sites["cnaf"], pools)) == (
        2223,
        2222,
    )
    assert (choose.uid("demo", pools), choose.uid("alice", pools)) == (2001, 2002)
    # By another pool's own address, number 2 is nobody's to have.
    taken = pools["demo"].model_copy(
        update={
            "number": 9,
            "submit_node": pools["demo"].submit_node.model_copy(update={"address": federation.network.fixed[12]}),
        }
    )
    assert choose.pool_number(federation, {**pools, "other": taken}) == 3
    small = federation.model_copy(
        update={"network": federation.network.model_copy(update={"fixed": IPv4Network("10.66.0.0/28")})}
    )
    with pytest.raises(choose.NoneFree, match=r"network\.fixed"):
        choose.pool_number(
            small, {**pools, "b": taken.model_copy(update={"number": 2}), "c": taken.model_copy(update={"number": 3})}
        )


def test_the_wizard_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    the: Clone = clone_in(tmp_path, monkeypatch)
    monkeypatch.setattr("aerie.commands.init.at_a_terminal", lambda: True)
    status, said = the.run("init", answers="farm\npisa, lecce,\ny\n2\nphysics\n")
    assert status == 0, said
    assert said.endswith("Next: read them, then: aerie up --images\n")
    federation, _ = read_federation(tmp_path)
    assert federation is not None and (federation.name, list(federation.sites), federation.quorum_sites) == (
        "farm",
        ["pisa", "lecce"],
        ["pisa"],
    )
    assert "agents: 2" in (tmp_path / "Pulumi.lecce.yaml").read_text() and (tmp_path / "Pulumi.physics.yaml").exists()
