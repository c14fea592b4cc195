"""Which agents go into maintenance, by what Mesos sends and stops to send."""

from mesos_client import InverseOffer, InverseOffers, Offer, parse_event
from mesos_client.maintenance import AFTER_SUBSCRIBING, LEASE, Leaving

T0 = 1000.0


def inverse(name: str = "I1", agent: str = "A1") -> list[InverseOffer]:
    return [InverseOffer(name, agent, T0)]


def offer(agent: str, unavailable_from: float | None) -> Offer:
    return Offer("O", agent, "host", "*", (), {}, unavailable_from=unavailable_from)


def test_an_inverse_offer_as_mesos_sends_it() -> None:
    raw = {
        "id": {"value": "I1"},
        "agent_id": {"value": "A1"},
        "unavailability": {"start": {"nanoseconds": 5_000_000_000}},
    }
    event = parse_event(
        {"type": "INVERSE_OFFERS", "inverse_offers": {"inverse_offers": [raw, {"id": {"value": "I2"}}]}}
    )
    assert event == InverseOffers((InverseOffer("I1", "A1", 5.0),))


def test_it_lasts_as_long_as_inverse_offers_come() -> None:
    leaving = Leaving()
    leaving.offered(inverse(), T0)
    assert leaving.agents(T0 + 1000) == {"A1"}, "one that waits for an answer holds"
    assert leaving.wake_at(T0) is None
    leaving.rescinded("I1", T0 + 30)  # nobody had answered
    assert leaving.wake_at(T0 + 30) == T0 + 30 + LEASE
    leaving.offered(inverse("I2"), T0 + 31)
    assert leaving.agents(T0 + 200) == {"A1"}
    leaving.rescinded("I2", T0 + 200)
    assert leaving.agents(T0 + 199 + LEASE) == {"A1"}
    assert leaving.agents(T0 + 200 + LEASE) == set()


def test_one_is_accepted_once_nothing_of_ours_is_left_there() -> None:
    leaving = Leaving()
    leaving.offered([*inverse(), *inverse("I2", "A2")], T0)
    assert leaving.answer({"A1"}, T0) == (["I2"], ["I1"])
    assert leaving.answer({"A1"}, T0) == ([], []), "each is answered once"
    assert leaving.kept == {"A1"}
    assert leaving.agents(T0 + LEASE - 1) == {"A1", "A2"}, "they go all the same"
    leaving.offered(inverse("I3"), T0 + 2)
    assert leaving.answer(set(), T0 + 60) == (["I3"], [])
    assert leaving.kept == set()


def test_offers_tell_as_well() -> None:
    leaving = Leaving()
    leaving.seen([offer("A1", T0), offer("A2", None)], T0)
    assert leaving.agents(T0 + 1) == {"A1"}
    leaving.offered(inverse(), T0)
    leaving.seen([offer("A1", None)], T0 + 2)
    assert leaving.agents(T0 + 2) == set(), "the maintenance was cancelled"
    assert leaving.answer(set(), T0 + 2) == ([], [])


def test_nothing_ends_while_nobody_can_tell() -> None:
    leaving = Leaving()
    leaving.offered(inverse(), T0)
    leaving.disconnected()
    assert leaving.agents(T0 + 10_000) == {"A1"}
    assert leaving.answer(set(), T0) == ([], []), "its inverse offer is void"
    leaving.subscribed(["A2"], T0 + 10_000)
    assert leaving.agents(T0 + 9_999 + AFTER_SUBSCRIBING) == {"A1", "A2"}
    assert leaving.agents(T0 + 10_000 + AFTER_SUBSCRIBING) == set()
