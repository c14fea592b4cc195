"""Curves as SVG, drawn by hand: logarithmic axes, light background, each curve named at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 84, 196, 64, 56
COLOURS = ("#1f4f80", "#c2571a", "#3c7a36", "#8a3b8f", "#51606e")
DASHES = ("", "7 4", "2 3", "10 3 2 3", "")


@dataclass(frozen=True)
class Curve:
    """Its points in order of x; all of them > 0."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """`notes` are horizontal lines with a name: a limit, a goal."""

    title: str
    x: str
    y: str
    curves: Sequence[Curve]
    notes: Sequence[tuple[float, str]] = ()


def _decades(low: float, high: float) -> list[int]:
    return list(range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _text(
    x: float, y: float, what: str, anchor: str = "start", size: float = 12, fill: str = "#51606e", more: str = ""
) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}"{more}>{escape(what)}</text>'


def svg(chart: Chart) -> str:
    """The picture. Both axes are logarithmic."""
    points = [point for curve in chart.curves for point in curve.points]
    xs = [x for x, _ in points]
    x_low, x_high = math.log10(min(xs)), math.log10(max(xs))
    decades = _decades(min(y for _, y in points), max(y for _, y in points))
    y_low, y_high = decades[0], max(decades[-1], decades[0] + 1)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x_low) / (x_high - x_low or 1)
        up = (math.log10(y) - y_low) / (y_high - y_low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" role="img" aria-label="{escape(chart.title)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 26, chart.title, size=15, fill="#1b2733", more=' font-weight="bold"'),
        _text(LEFT, 46, chart.y),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, chart.x, "middle"),
    ]
    for decade in range(y_low, y_high + 1):
        x, y = at(min(xs), 10.0**decade)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e3e7ea"/>')
        out.append(_text(x - 8, y + 4, _number(10.0**decade), "end"))
    for tick in sorted(set(xs)):
        x, y = at(tick, 10.0**y_low)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{y:.1f}" stroke="#f0f2f4"/>')
        out.append(_text(x, y + 18, _number(tick), "middle"))
    for value, name in chart.notes:
        x, y = at(min(xs), value)
        out.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#a02020" stroke-dasharray="3 3"/>'
        )
        out.append(_text(x + 6, y - 5, name, size=11, fill="#a02020"))
    names = _apart([at(*curve.points[-1])[1] for curve in chart.curves])
    for i, curve in enumerate(chart.curves):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in curve.points))
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.2"{dashed}/>')
        out += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
            for x, y in (at(*point) for point in curve.points)
        ]
        end = at(*curve.points[-1])[0]
        out.append(_text(end + 10, names[i] + 4, curve.name, fill=colour))
    return "\n".join([*out, "</svg>", ""])


def _apart(heights: Sequence[float], gap: float = 16) -> list[float]:
    """The same heights, moved down where names would lie on each other."""
    out = list(heights)
    last = -math.inf
    for i in sorted(range(len(out)), key=lambda i: out[i]):
        out[i] = last = max(out[i], last + gap)
    return out
