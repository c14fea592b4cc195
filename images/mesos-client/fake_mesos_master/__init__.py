"""A FAKE Mesos master for tests: it speaks the v1 scheduler API and pretends to run tasks.  Never shipped."""

from .cluster import FakeAgent, FakeTask
from .master import FakeMaster

__all__ = ["FakeAgent", "FakeMaster", "FakeTask"]
