"""A Mesos framework that keeps long-running services running, and speaks Marathon's v2 API."""

__version__ = "1.10.0"
