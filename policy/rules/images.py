"""Every image by what is in it, so that the same program always runs the same things."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .containers import containers
from .model import Facts, Resource, Violation, text

DIGEST = re.compile(r"(^|@)sha256:[0-9a-f]{64}$")
CONTENT = re.compile(
    r":[0-9a-f]{12}$"
)  # components/image_tags.py: the hash of the image's folder and of what it builds on


def images_by_content(resource: Resource, facts: Facts) -> Iterator[Violation]:
    """A digest, or a tag that is a hash of the image's sources."""
    found: list[tuple[str, str, str]] = []
    for container in containers(resource, facts):
        found.append((container.image, container.file, f"{container.place}, its image"))
        for key, value in (container.env or {}).items():
            if key.endswith("_IMAGE") and isinstance(value, str):
                found.append((value, container.file, f"{container.place}, {key}"))
    if resource.type.endswith(":RemoteImage"):
        found.append(
            (text(resource.props.get("name")), "components/iaas/docker.py or federation.py", "RemoteImage.name")
        )
    for image, file, place in found:
        if image and not by_content(image):
            yield Violation(
                resource.name,
                file,
                place,
                f"the image {image} is not named by its content, so it may be another one tomorrow",
                "write the reference that components.image_tags gives (name:12 hex digits), or name@sha256:...",
            )


def by_content(image: str) -> bool:
    """Whether the reference can mean one image only."""
    return bool(DIGEST.search(image) or CONTENT.search(image))
