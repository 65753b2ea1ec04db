"""Generators: one family a file, found by name through `base.REGISTRY`."""

from understudy.generators.base import DEFAULT, REGISTRY, Generator, create, load

__all__ = ["DEFAULT", "REGISTRY", "Generator", "create", "load"]
