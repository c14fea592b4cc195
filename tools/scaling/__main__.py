"""The figures and pictures of docs/scaling.md. Pure arithmetic: no Docker, no network; some minutes on one core for 1,000 sites."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import report

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    """Run the campaign, write its data and pictures, print its tables."""
    parser = argparse.ArgumentParser(prog="python -m tools.scaling", description=__doc__)
    parser.add_argument("--most", type=int, default=1000, metavar="SITES", help="no federation larger than this")
    parser.add_argument(
        "--losses", type=int, default=10, metavar="N", help="reflectors lost for each prefix of a large one"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "docs", metavar="FOLDER", help="where to write (default: docs)"
    )
    args = parser.parse_args()
    sizes = [n for n in (3, 10, 30, 100, 300, 1000) if n <= args.most]
    figures = report.campaign(sizes, [n for n in (3, 10, 30, 100) if n <= args.most], args.losses)
    pictures = args.out / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    report.write(figures, args.out / "scaling.json", pictures)
    print(report.tables(figures))
    findings = sum(row["findings"] for row in figures["settled"] + figures["losses"])
    if findings:
        raise SystemExit(f"{findings} findings: see the tables")


if __name__ == "__main__":
    main()
