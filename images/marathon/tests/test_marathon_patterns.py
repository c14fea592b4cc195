"""Patterns of constraints: what they match is what Python's matcher says, and none takes long."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marathon_service.core import patterns
from marathon_service.core.constraints import Place, allows
from marathon_service.core.spec import Constraint

LEAF = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", "a|b", "^", "$", r"\b", ""])
PATTERNS = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?"])).map(lambda x: f"(?:{x[0]}){x[1]}"),
        inner.map(lambda x: f"({x})"),
    ),
    max_leaves=6,
)


@given(PATTERNS, st.text("ab", max_size=6))
def test_the_same_as_pythons(pattern: str, value: str) -> None:
    tree = patterns._parser.parse(pattern)
    expected = re.fullmatch(pattern, value) is not None
    assert (len(value) in patterns._ends(tree, tree, value, frozenset({0}))) is expected
    assert patterns.fullmatch(pattern, value) is expected


@pytest.mark.parametrize(
    "pattern", ["(a+)+x", "(a|aa)+x", "(.*a){20}x", "(([a-z])+.)+[A-Z]([a-z])+", ".*.*.*.*.*.*.*.*.*.*x", "((a*)*)*x"]
)
def test_none_takes_long(pattern: str) -> None:
    began = time.process_time()
    assert not allows(Constraint("hostname", "LIKE", pattern), Place("a" * 60), [])
    assert time.process_time() - began < 1


@pytest.mark.parametrize("pattern", ["(", "x" * 3000, r"((a+)+)\1", "(?=a)(a+)+", "(a++)+"])
def test_what_cannot_be_had(pattern: str) -> None:
    assert patterns.problem(pattern) and not patterns.fullmatch(pattern, "a")


def test_usual_ones() -> None:
    assert patterns.fullmatch("rack-[1-3]", "rack-2") and patterns.fullmatch(
        r"([a-z]+\.)*example\.org", "a.b.example.org"
    )
    assert not patterns.fullmatch("n1|n2", "n12") and patterns.problem(r"(?i)Torino-\d+") is None
