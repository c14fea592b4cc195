"""Which sites a job's Requirements allow, and what is said if none. The ClassAd library is not needed: clauses are looked up."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from htcondor_framework.condor.requirements import Holds, Truth, blame, clauses, places
from hypothesis import given
from hypothesis import strategies as st

SITES = ("torino", "bari")


def table(rows: Mapping[str, tuple[Truth, Truth]]) -> Holds:
    """What each clause is at torino and at bari; a conjunction is what its clauses make it."""

    def holds(expression: str, site: str) -> Truth:
        found = [rows[c][SITES.index(site)] for c in clauses(expression)]
        if Truth.FALSE in found:
            return Truth.FALSE
        return Truth.UNDEFINED if Truth.UNDEFINED in found else Truth.TRUE

    return holds


T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNDEFINED


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('((AerieSite == "bari")) && (TARGET.Arch == "X86_64") && TARGET.HasFileTransfer',
         ['AerieSite == "bari"', 'TARGET.Arch == "X86_64"', "TARGET.HasFileTransfer"]),
        ("(a && (b || c)) && d", ["a", "b || c", "d"]),
        ("a || b && c", ["a || b && c"]),
        ("(a) && (b)", ["a", "b"]),
        ("a =?= undefined && b =!= 3", ["a =?= undefined", "b =!= 3"]),
        ("a ? b && c : d", ["a ? b && c : d"]),
        ('regexp("a && \\"(", Name) && b', ['regexp("a && \\"(", Name)', "b"]),
        ("'odd && name' && member(x, {1, 2 && 3})", ["'odd && name'", "member(x, {1, 2 && 3})"]),
        ("true", ["true"]),
        ("", []),
    ],
)  # fmt: skip
def test_clauses(text: str, parts: list[str]) -> None:
    assert clauses(text) == parts


_atoms = st.sampled_from(["a", "b == 1", 'c == "&&"', "(d || e)", "f(g, h)", "x =?= undefined"])


@given(
    st.recursive(_atoms, lambda inner: st.lists(inner, min_size=2, max_size=3).map(lambda ps: f"({' && '.join(ps)})"))
)
def test_no_clause_is_a_conjunction(text: str) -> None:
    for clause in clauses(text):
        assert clauses(clause) == [clause]


def test_places_are_where_it_is_true() -> None:
    holds = table({"here": (F, T), "all": (T, T), "unknown": (U, U)})
    assert places("here && all", SITES, holds, lambda _: True) == {"bari"}
    assert places("all", SITES, holds, lambda _: True) == {"torino", "bari"}
    assert places("all && unknown", SITES, holds, lambda _: True) == frozenset()


def test_what_no_executor_has_told_yet_is_tried() -> None:
    holds = table({"here": (F, T), "unknown": (U, U)})
    assert places("here && unknown", SITES, holds, lambda _: False) == {"bari"}
    assert places("unknown", SITES, holds, lambda site: site == "bari") == {"torino"}


def test_the_clause_to_blame() -> None:
    rows = {'AerieSite == "napoli"': (F, F), "TARGET.Arch": (T, T), "HasGpfs": (U, U), "TARGET.Memory > 4000": (F, F)}
    rows |= {"here": (T, F), "there": (F, T)}
    holds = table(rows)
    why = blame('(AerieSite == "napoli") && TARGET.Arch && HasGpfs', SITES, holds)
    assert why == 'requirements: AerieSite == "napoli" holds on no site of this pool'
    assert blame("TARGET.Arch && HasGpfs", SITES, holds).endswith("(its executors do not advertise all that it names)")
    assert "request_memory" in blame("TARGET.Memory > 4000", SITES, holds)
    assert "all of them on no site" in blame("here && there", SITES, holds)


def test_long_clauses_are_cut() -> None:
    long = "x == " + "1" * 500
    assert len(blame(long, SITES, table({long: (F, F)}))) < 250
