#!/usr/bin/env python3
"""Builder of the container images below images/.

    python -m tools.images tags                 JSON: name -> tag (needs no Docker)
    python -m tools.images build [NAME...]      makes what is neither in the local engine nor in the push registry
    python -m tools.images registry-up          starts the push registry (container aerie-registry)
    python -m tools.images push [NAME...]       pushes what the push registry lacks
    python -m tools.images list                 tags, sizes, and where each image is

Without names: all but those that federation.yaml has no use for (images/NAME/on-demand names the key that wants it).
Environment: AERIE_CACHE (default $XDG_CACHE_HOME/aerie, ~/.cache/aerie), AERIE_PUSH_REGISTRY (default 127.0.0.1:5000).
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

if not __package__:  # run as a program and not with -m
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from components.image_tags import Image, ImageError, image_tags, in_use, load_images, tags_of

__all__ = ["ImageError", "image_tags", "main"]

ROOT = Path(__file__).resolve().parent.parent


def _say(line: str) -> None:
    # In one piece, since several threads tell of their images.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _federation(root: Path) -> object:
    """What is in federation.yaml; None if it is not there, or is no YAML, which others tell better."""
    import yaml  # late, as `tags` needs none of it

    try:
        return yaml.safe_load((root / "federation.yaml").read_text())
    except (OSError, yaml.YAMLError):
        return None


def _chosen(images: dict[str, Image], names: Sequence[str], root: Path) -> list[str]:
    unknown = sorted(set(names) - set(images))
    if unknown:
        raise ImageError(f"no such image: {', '.join(unknown)} (there are: {', '.join(sorted(images))})")
    return list(names) or in_use(images, _federation(root))


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "tags":
        print(json.dumps(image_tags(arguments.root), indent=2))
        return
    # Imported late: `tags` has to be quick.
    from tools.image_build import Builder, cache_dir
    from tools.image_store import Registry, local_size

    images = load_images(arguments.root)
    tags = tags_of(images)
    registry = Registry()
    builder = Builder(images, tags, registry, cache_dir(), _say)

    if arguments.command == "build":
        names = _chosen(images, arguments.names, arguments.root)
        built = builder.build(names)
        _say(f"{len(built)} built, {len(names)} up to date" if built else f"all {len(names)} up to date")
    elif arguments.command == "registry-up":
        if local_size("registry", tags["registry"]) is None:
            builder.build(["registry"])
        if local_size("registry", tags["registry"]) is None:
            registry.pull("registry", tags["registry"])
        _say(f"registry on {registry.address}: {registry.start(tags['registry'])}")
    elif arguments.command == "push":
        if not registry.up():
            raise ImageError(f"no registry answers on {registry.address}: run `registry-up` first")
        for name in _chosen(images, arguments.names, arguments.root):
            if registry.has(name, tags[name]):
                continue
            if local_size(name, tags[name]) is None:
                raise ImageError(f"{name}:{tags[name]} is not built: run `build` first")
            registry.push(name, tags[name])
            _say(f"{name}: pushed as {registry.address}/aerie/{name}:{tags[name]}")
    elif arguments.command == "list":
        sizes = {name: local_size(name, tag) for name, tag in tags.items()}
        print(f"{'NAME':<14}{'TAG':<14}{'MB':>6}{'OWN':>6}  IN")
        for name, image in images.items():
            size = sizes[name]
            below = max((sizes[parent] or 0 for parent in image.parents), default=0)
            figures = f"{size / 1e6:>6.0f}{(size - below) / 1e6:>6.0f}" if size is not None else f"{'-':>6}{'-':>6}"
            places = ["engine"] * (size is not None) + ["registry"] * registry.has(name, tags[name])
            print(f"{name:<14}{tags[name]:<14}{figures}  {' '.join(places) or '-'}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(prog="images", description="Builder of the container images below images/.")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder that has images/ (default: this clone)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tags", help="print name -> tag as JSON")
    for command, text in (("build", "make missing images"), ("push", "push to the push registry")):
        commands.add_parser(command, help=text).add_argument(
            "names", nargs="*", metavar="NAME", help="default: all in use"
        )
    commands.add_parser("registry-up", help="start the push registry")
    commands.add_parser("list", help="tags, sizes and places")
    arguments = parser.parse_args(argv)

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        _run(arguments)
    except ImageError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("images: interrupted; run again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
