"""When offers are asked for (REVIVE) and turned off (SUPPRESS). Pure but for what it remembers."""

from __future__ import annotations

SOON, FIRST, MOST = 1.0, 2.0, 30.0  # seconds


class Demand:
    """Offers that were declined are hidden for long, so what is wanted anew must ask for all of them again: soon when what is wanted
    has changed, else ever more seldom."""

    def __init__(self) -> None:
        self.subscribed()
        self.wants = False

    def subscribed(self) -> None:
        """A new subscription: its filters are empty, and it says itself whether offers are wanted."""
        self.suppressed = False
        self._for: object = None
        self._when = 0.0
        self._again = FIRST

    def decide(self, wants: bool, what: object, now: float) -> str:
        """ "revive", "suppress" or "". `what` is compared with that of the last time. Times in seconds."""
        self.wants = wants
        if not wants:
            return "" if self.suppressed else "suppress"
        if self.suppressed or now >= self.due(what):
            return "revive"
        return ""

    def due(self, what: object) -> float:
        """When offers are to be asked for again."""
        return self._when + (SOON if what != self._for else self._again)

    def done(self, call: str, what: object, now: float) -> None:
        """The call was sent."""
        self.suppressed = call == "suppress"
        if call == "revive":
            self._again = FIRST if what != self._for else min(self._again * 2, MOST)
            self._for, self._when = what, now
