"""The matrix of round trips as a heat map in SVG: the number is in each cell, and a darker cell is a longer way, also in black
and white. Pure."""

from __future__ import annotations

import math
from html import escape

from .rtt_matrix import Matrix, trip

CELL_W, CELL_H, LEFT, TOP, GAP = 104, 56, 128, 84, 4
FEW = 16  # sites whose cells have numbers of full size
FONT = "DejaVu Sans, Helvetica, Arial, sans-serif"
INK, QUIET, PAPER, BLACK = "#1b2733", "#51606e", "#ffffff", "#000000"
# Light to dark, each step darker than the last: the order of luminance is the order of round trips.
LIGHT, DARK = (232, 241, 251), (20, 61, 105)


def share(ms: float, low: float, high: float) -> float:
    """Where a round trip lies between the least and the greatest, 0 to 1, by its logarithm: those within a site and those
    between sites are far apart."""
    if high <= low or low <= 0:
        return 0.0
    return min(1.0, max(0.0, math.log(ms / low) / math.log(high / low)))


def colour(part: float) -> str:
    """Of a cell, by `share`."""
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(LIGHT, DARK, strict=True))


def _luminance(rgb: str) -> float:
    """As WCAG has it, 0 (black) to 1."""

    def linear(byte: int) -> float:
        c = byte / 255
        return c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4

    r, g, b = (linear(int(rgb[i : i + 2], 16)) for i in (1, 3, 5))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def ink(fill: str) -> str:
    """Black or white, whichever is read better on it."""
    there = _luminance(fill)
    return PAPER if 1.05 / (there + 0.05) > (there + 0.05) / 0.05 else BLACK


def _text(
    x: float, y: float, words: str, size: float = 13, fill: str = INK, anchor: str = "middle", bold: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def _legend(x: float, y: float, width: float, low: float, high: float) -> list[str]:
    """The scale, in ten steps."""
    out = [
        f'<rect x="{x + width * n / 10:g}" y="{y:g}" width="{width / 10:g}" height="12" fill="{colour(n / 9)}"/>'
        for n in range(10)
    ]
    return [
        *out,
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="12" fill="none" stroke="{QUIET}"/>',
        _text(x, y + 28, f"{trip(low)} ms", 11, QUIET, "start"),
        _text(x + width / 2, y + 28, "logarithmic", 11, QUIET),
        _text(x + width, y + 28, f"{trip(high)} ms", 11, QUIET, "end"),
    ]


def picture(matrix: Matrix, when: str) -> str:
    """The whole file. `when` is told below, as it is."""
    n = len(matrix.sites)
    cell_w, cell_h = (CELL_W, CELL_H) if n <= FEW else (CELL_W * 0.6, CELL_H * 0.6)
    size = 15.0 if n <= FEW else 10.0
    trips = [c.median for a in matrix.sites for b in matrix.sites if (c := matrix.cell(a, b)).median is not None]
    low, high = (min(trips), max(trips)) if trips else (0.0, 0.0)
    width = max(LEFT + n * cell_w + 24, 480)
    height = TOP + n * cell_h + 84
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="{FONT}" role="img" '
        f'aria-label="Round trips between containers of {n} sites">',
        '<defs><pattern id="none" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="8" height="8" fill="{PAPER}"/><line x1="0" y1="0" x2="0" y2="8" stroke="#c4ccd4" stroke-width="3"/>'
        "</pattern></defs>",
        # Paper of its own, so that it is the same on a light page and on a dark one.
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{PAPER}"/>',
        _text(24, 32, f"Round trips between containers, {matrix.federation}", 16, INK, "start", bold=True),
        _text(24, 52, f"ms, median of {matrix.count}; from the row's site to the column's", 12, QUIET, "start"),
    ]
    for i, site in enumerate(matrix.sites):
        out.append(_text(LEFT + (i + 0.5) * cell_w, TOP - 10, site, 13 if n <= FEW else 9, INK))
        out.append(_text(LEFT - 12, TOP + (i + 0.5) * cell_h + 5, site, 13 if n <= FEW else 9, INK, "end"))
    for i, a in enumerate(matrix.sites):
        for j, b in enumerate(matrix.sites):
            cell, x, y = matrix.cell(a, b), LEFT + j * cell_w, TOP + i * cell_h
            known = cell.median is not None
            fill = colour(share(cell.median, low, high)) if cell.median is not None else "url(#none)"
            out.append(
                f'<rect x="{x + GAP / 2:g}" y="{y + GAP / 2:g}" width="{cell_w - GAP:g}" height="{cell_h - GAP:g}" rx="4" '
                f'fill="{fill}" stroke="#8a97a3" stroke-width="0.75"/>'
            )
            words, pen = (trip(cell.median), ink(fill)) if known else (cell.why, INK)
            middle = y + cell_h / 2 + size / 3
            if known and cell.lost:
                out.append(_text(x + cell_w / 2, middle + 15, f"{cell.lost} of {cell.sent} lost", 9.5, pen))
                middle -= 4
            out.append(_text(x + cell_w / 2, middle, words, size if known else 11, pen, bold=known))
    if trips:
        out += _legend(LEFT, TOP + n * cell_h + 16, min(240.0, n * cell_w), low, high)
    out.append(_text(24, height - 14, when, 11, QUIET, "start"))
    return "\n".join([*out, "</svg>", ""])
