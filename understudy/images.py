"""References to container images that name one image for good."""

from __future__ import annotations

import re

from understudy.errors import ConfigError


def check_image(image: str) -> None:
    """Raises ConfigError unless `image` names one image: by its digest, or by a tag that isn't latest.

    >>> check_image("registry.example/understudy-cpu:0.1.0")
    >>> check_image("understudy-cpu")
    Traceback (most recent call last):
    understudy.errors.ConfigError: image 'understudy-cpu' has no digest and no tag; give NAME@sha256:DIGEST
    """
    name, at, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if at and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ConfigError(f"image {image!r} has a malformed digest; give NAME@sha256: and 64 hexadecimal digits")
    if not re.fullmatch(r"[a-z0-9][\w.:/-]*", name):
        raise ConfigError(f"image {image!r} is no name of an image; give NAME@sha256:DIGEST")
    if not at and tag in ("", "latest"):
        reason = "the tag latest, which moves" if tag else "no digest and no tag"
        raise ConfigError(f"image {image!r} has {reason}; give NAME@sha256:DIGEST")
