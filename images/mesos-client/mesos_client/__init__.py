"""Client of the Mesos v1 HTTP scheduler API on asyncio: what a framework needs to live next to a real master."""

from .backoff import Backoff
from .calls import Framework
from .client import CallRefused, NotConnected, SchedulerClient
from .detector import Detector, StaticDetector, ZooKeeperDetector
from .events import (
    Connected,
    Disconnected,
    Error,
    Event,
    Failure,
    Heartbeat,
    InverseOffers,
    Message,
    Offers,
    Rescind,
    RescindInverse,
    Subscribed,
    Unknown,
    Update,
    parse_event,
)
from .messages import InverseOffer, Offer, Resource, TaskStatus, is_terminal
from .zk import ZooKeeperUrl, ZooKeeperUrlError

__all__ = [
    "Backoff",
    "CallRefused",
    "Connected",
    "Detector",
    "Disconnected",
    "Error",
    "Event",
    "Failure",
    "Framework",
    "Heartbeat",
    "InverseOffer",
    "InverseOffers",
    "Message",
    "NotConnected",
    "Offer",
    "Offers",
    "Rescind",
    "RescindInverse",
    "Resource",
    "SchedulerClient",
    "StaticDetector",
    "Subscribed",
    "TaskStatus",
    "Unknown",
    "Update",
    "ZooKeeperDetector",
    "ZooKeeperUrl",
    "ZooKeeperUrlError",
    "is_terminal",
    "parse_event",
]
