"""The events of the scheduler API as typed values, and two of our own (Connected, Disconnected).  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .messages import InverseOffer, Json, Offer, TaskStatus


@dataclass(frozen=True)
class Connected:
    """The stream to the leading master is up; SUBSCRIBED follows."""

    master: str


@dataclass(frozen=True)
class Disconnected:
    """The stream is gone: every offer held is void, and calls fail until the next Subscribed."""

    reason: str


@dataclass(frozen=True)
class Subscribed:
    framework_id: str
    heartbeat_seconds: float | None = None
    master_info: Json | None = None

    @property
    def region(self) -> str | None:
        """The region of the master's fault domain, if it has one."""
        domain = (self.master_info or {}).get("domain", {}).get("fault_domain", {})
        name: str | None = domain.get("region", {}).get("name")
        return name


@dataclass(frozen=True)
class Offers:
    offers: tuple[Offer, ...]


@dataclass(frozen=True)
class InverseOffers:
    inverse_offers: tuple[InverseOffer, ...]


@dataclass(frozen=True)
class Rescind:
    offer_id: str


@dataclass(frozen=True)
class RescindInverse:
    inverse_offer_id: str


@dataclass(frozen=True)
class Update:
    status: TaskStatus


@dataclass(frozen=True)
class Message:
    agent_id: str
    executor_id: str
    data: str


@dataclass(frozen=True)
class Failure:
    agent_id: str | None
    executor_id: str | None
    status: int | None


@dataclass(frozen=True)
class Error:
    message: str


@dataclass(frozen=True)
class Heartbeat:
    pass


@dataclass(frozen=True)
class Unknown:
    """An event type that came after this client was written."""

    type: str
    raw: Json


Event = (
    Connected
    | Disconnected
    | Subscribed
    | Offers
    | InverseOffers
    | Rescind
    | RescindInverse
    | Update
    | Message
    | Failure
    | Error
    | Heartbeat
    | Unknown
)


def parse_event(raw: dict[str, Any]) -> Event:
    """The typed form of one event.  Raises KeyError or TypeError when a required part is missing."""
    kind = raw["type"]
    match kind:
        case "SUBSCRIBED":
            body = raw["subscribed"]
            return Subscribed(
                body["framework_id"]["value"], body.get("heartbeat_interval_seconds"), body.get("master_info")
            )
        case "OFFERS":
            return Offers(tuple(Offer.from_json(o) for o in raw["offers"].get("offers", ())))
        case "INVERSE_OFFERS":
            found = raw["inverse_offers"].get("inverse_offers", ())
            # One for no certain agent is none that we could do anything about.
            return InverseOffers(tuple(InverseOffer.from_json(o) for o in found if "agent_id" in o))
        case "RESCIND":
            return Rescind(raw["rescind"]["offer_id"]["value"])
        case "RESCIND_INVERSE_OFFER":
            return RescindInverse(raw["rescind_inverse_offer"]["inverse_offer_id"]["value"])
        case "UPDATE":
            return Update(TaskStatus.from_json(raw["update"]["status"]))
        case "MESSAGE":
            body = raw["message"]
            return Message(body["agent_id"]["value"], body["executor_id"]["value"], body.get("data", ""))
        case "FAILURE":
            body = raw["failure"]
            return Failure(
                body.get("agent_id", {}).get("value"),
                body.get("executor_id", {}).get("value"),
                body.get("status"),
            )
        case "ERROR":
            return Error(raw["error"].get("message", ""))
        case "HEARTBEAT":
            return Heartbeat()
        case _:
            return Unknown(str(kind), raw)
