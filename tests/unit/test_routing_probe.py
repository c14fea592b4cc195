"""The figures of the live tests of routing: which pings were lost, and for how long."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "live"))

from routing_probe import Lost, kinds, lost_of


@pytest.mark.parametrize(
    ("answered", "sent", "lost"),
    [
        ([1, 2, 3, 4], 4, Lost(4, 0, 0.0)),
        ([1, 2, 3], 4, Lost(4, 0, 0.0)),  # the last one's answer is on its way
        ([1, 4, 5, 6], 6, Lost(6, 2, 2.0)),
        ([4, 5, 6], 6, Lost(6, 3, 3.0)),
        ([1, 2], 6, Lost(6, 3, 3.0)),
        ([], 6, Lost(6, 5, 5.0)),
        ([2, 1, 3], 3, Lost(3, 0, 0.0)),
        ([65534, 65535, 0, 1, 3], 65540, Lost(65540, 65534, 65533.0)),
    ],
)
def test_lost(answered: list[int], sent: int, lost: Lost) -> None:
    assert lost_of(answered, sent, 1.0) == lost


def test_kinds() -> None:
    states = {"Node_1_2": "Established", "Mesh_1_3": "Established", "Mesh_1_4": "Connect", "Mesh_1_5": "Established"}
    assert kinds(states) == {"Node": 1, "Mesh": 2}
