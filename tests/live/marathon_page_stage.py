"""The service whose page the browser tests look at, and how they judge what can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HELPER = Path(__file__).resolve().parents[2] / "images" / "marathon" / "tests" / "page_service.py"

# The contrast of each text with the ground that it stands on, by WCAG's formula; what is less than 4.5 is told.
CONTRAST = """
const rgb = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return c.startsWith("color(") ? [...m.slice(0, 3).map((x) => x * 255), m[3] ?? 1] : [...m.slice(0, 3), m[3] ?? 1]; };
const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255]; };
const found = [];
for (const e of document.querySelectorAll("body *")) {
  if (![...e.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim()) || !e.getClientRects().length || e.closest(".hidden")) continue;
  const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) found.push(`${e.className || e.tagName} "${e.textContent.slice(0, 30)}" ${contrast.toFixed(2)}`);
}
return found;
"""


class Stage:
    """The service in a process of its own; see page_service.py for what it can do."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HELPER), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        addresses = json.loads(self._line())
        self.url, self.other = str(addresses["url"]), str(addresses["other"])

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the service ended; its last words are above"
        return line

    def do(self, what: str, **more: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"what": what, **more}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._line())
        assert answer["ok"], answer
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)
