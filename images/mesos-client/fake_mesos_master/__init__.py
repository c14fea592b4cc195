"""A FAKE Mesos master for tests: it speaks the v1 scheduler API and pretends to run tasks.  Never shipped."""

from .master import FakeAgent, FakeMaster, FakeTask

__all__ = ["FakeAgent", "FakeMaster", "FakeTask"]
