"""What a server needs of the model registry: which version an alias names now, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from understudy.errors import RegistryError
from understudy.tracking import connected, load_registered

REGISTERED = "models:/"


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model, with its tags and those of the run that made it."""

    name: str
    version: str
    tags: Mapping[str, str]


class Registry:
    """The registry at `tracking_uri` ("": as in `understudy.tracking.uri`)."""

    def __init__(self, tracking_uri: str = "") -> None:
        self.tracking_uri = tracking_uri

    def version(self, model_uri: str) -> RegisteredVersion:
        """The version that `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `models:/NAME` (its champion) names.

        Raises RegistryError.
        """
        name = model_uri.removeprefix(REGISTERED)
        with connected(self.tracking_uri, create=False) as client:
            if "/" in name:
                name, _, number = name.partition("/")
                found = client.get_model_version(name, number)
            else:
                name, _, alias = name.partition("@")
                found = client.get_model_version_by_alias(name, alias or "champion")
            return RegisteredVersion(found.name, str(found.version), dict(found.tags))

    def directory(self, version: RegisteredVersion) -> Path:
        """The artifact's directory. Raises RegistryError."""
        return load_registered(f"{REGISTERED}{version.name}/{version.version}", self.tracking_uri)

    def only_champion(self) -> str:
        """The name of the only registered model that has a champion. Raises RegistryError."""
        with connected(self.tracking_uri, create=False) as client:
            names = [m.name for m in client.search_registered_models() if "champion" in m.aliases]
        if len(names) != 1:
            known = f"there are {', '.join(names)}" if names else "no model has one; do `understudy run`"
            raise RegistryError(f"which champion to serve isn't clear: {known}; name one, e.g. models:/NAME@champion")
        return names[0]
