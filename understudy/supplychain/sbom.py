"""The software bill of materials of a generator: CycloneDX 1.6, JSON.

What made it: this package and everything it needs, at the versions installed here, with who needs whom. It has
neither time nor random number in it, so the same environment gives the same bytes.
"""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from importlib import metadata

from packaging.requirements import Requirement

from understudy import __version__

ROOT = "understudy"


def sbom(generator: str, digests: Mapping[str, str]) -> str:
    """The bill of a generator of this name whose files have these sha256 digests."""
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.bom_ref import BomRef
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.dependency import Dependency
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    installed = closure(ROOT)
    content = "".join(f"{n}={d};" for n, d in sorted(digests.items())) + repr(sorted(installed.items()))
    model = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=f"understudy-{generator}",
        version=next(iter(sorted(digests.values())), "")[:12],
        bom_ref="generator",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=d) for d in sorted(digests.values())],
        properties=[Property(name=f"understudy:file:{n}", value=d) for n, d in sorted(digests.items())],
    )
    parts = {
        name: Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=f"pkg:pypi/{name}@{version}",
            purl=PackageURL("pypi", name=name, version=version),
        )
        for name, (version, _) in installed.items()
    }
    needs = [Dependency(BomRef("generator"), [Dependency(parts[ROOT].bom_ref)])]
    needs += [
        Dependency(parts[n].bom_ref, [Dependency(parts[d].bom_ref) for d in needed if d in parts])
        for n, (_, needed) in installed.items()
    ]
    bom = Bom(
        components=parts.values(), serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"urn:understudy:{content}"),
        dependencies=needs,
    )  # fmt: skip
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.metadata.component = model
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def closure(root: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What `root` needs, at any depth, itself included: name -> (version, names of what it needs)."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    left = deque([root])
    while left:
        name = left.popleft()
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if name != root:  # needed on another platform, or not installed
                continue
            found[name] = (__version__, ())  # run from a source tree
            continue
        needed = tuple(sorted(set(_needed(distribution))))
        found[name] = (distribution.version, needed)
        left.extend(needed)
    return dict(sorted(found.items()))


def _needed(distribution: metadata.Distribution) -> Iterator[str]:
    for line in distribution.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield re.sub(r"[-_.]+", "-", requirement.name).lower()
