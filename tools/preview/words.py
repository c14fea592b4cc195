"""Text that somebody else may have chosen, where markdown is read. Pure."""

from __future__ import annotations

import html
import re


def code(text: str) -> str:
    """A code span; backticks in it, which would end it, are taken away."""
    return f"`{' '.join(text.replace('`', '').split())}`"


def plain(text: str) -> str:
    """No markup, no mention of anybody, no line of its own."""
    text = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\*_\[\]|~#@`])", r"\\\1", text)


def plural(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
