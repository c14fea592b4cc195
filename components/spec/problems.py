"""What is wrong with a configuration, told so that the reader knows where to look and what to write."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from .. import yaml_text


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to mend: `file`, the dotted `place` in it, `what` is wrong there, and the `mend`."""

    file: str
    place: str
    what: str
    mend: str
    line: int | None = field(default=None, compare=False)

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.place}: {self.what}; {self.mend}"


class ConfigError(Exception):
    """The configuration was refused. Carries every problem, not just the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda p: (p.file, p.line or 0, p))
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  {p}" for p in self.problems)
        super().__init__(f"{count} in the configuration, nothing was changed:\n{lines}")


def line_of(text: str, place: tuple[str | int, ...]) -> int | None:
    """The line (from 1) of the deepest node of `place` that the YAML `text` has, or None."""
    try:
        node = yaml_text.compose(text)
    except yaml.YAMLError:
        return None
    line = None
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def with_lines(problems: list[Problem], root: Path) -> list[Problem]:
    """The same problems with the line numbers that their files give, where the files are there."""
    texts: dict[str, str] = {}
    out = []
    for p in problems:
        if p.file not in texts:
            path = root / p.file
            texts[p.file] = path.read_text() if path.is_file() else ""
        if p.place.startswith("("):  # the file as a whole, its name
            out.append(p)
            continue
        steps = tuple(int(s) if s.isdigit() else s for s in p.place.split("."))
        if p.file.startswith("Pulumi."):
            steps = ("config", f"aerie:{steps[0]}", *steps[1:])
        out.append(replace(p, line=p.line or line_of(texts[p.file], steps)))
    return out
