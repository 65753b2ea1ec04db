"""MLServer's repository with one model in it, read from disk or the registry before the registry of models changes.

So a load that fails changes nothing: the version before goes on serving.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mlserver import ModelSettings
from mlserver.errors import MLServerError, ModelNotFound
from mlserver.repository import ModelRepository
from mlserver.settings import ModelParameters

from understudy.errors import ConfigError, UnderstudyError
from understudy.serving import metrics
from understudy.serving.runtime import SyntheticModel
from understudy.serving.served import Served, Source
from understudy.serving.service import Service

logger = logging.getLogger("understudy.serving")
Found = list[ModelSettings]
Loader = Callable[[str], Awaitable[bool]]
RUNTIME = "understudy.serving.runtime.SyntheticModel"


class Repository(ModelRepository):
    """The model at `source`. `first` is loaded already."""

    def __init__(self, service: Service, source: Source, first: Served) -> None:
        self.service, self.source, self.name = service, source, first.facts.name
        self._latest = first
        self._loading = asyncio.Lock()
        self._seen = ""

    def present(self) -> ModelSettings:
        """MLServer's settings of the version that was read last."""
        return ModelSettings(
            name=self.name, implementation=RUNTIME, platform="understudy",
            parameters=ModelParameters(uri=self.source.uri, version=self._latest.facts.version),
        )  # fmt: skip

    def runtime(self, settings: ModelSettings) -> SyntheticModel:
        """How MLServer makes a model of these settings."""
        return SyntheticModel(settings, self.service, self._latest)

    async def list(self) -> Found:
        return [self.present()]

    async def find(self, name: str) -> Found:
        """Read the model again. Raises MLServerError, and counts it, where that fails."""
        if name != self.name:
            raise ModelNotFound(name)
        allow = self.service.settings.allow_unaudited
        async with self._loading:
            try:
                # Noted before it is read, so that what changes meanwhile is read again.
                seen = await asyncio.to_thread(self.source.fingerprint)
                self._latest = await asyncio.to_thread(lambda: self.source.load(allow_unaudited=allow))
                self._seen = seen
            except UnderstudyError as e:
                metrics.RELOAD_FAILURES.inc()
                logger.error("model %s was not loaded, the one before goes on serving: %s", name, e)
                raise MLServerError(str(e), e.http_status) from None
        return [self.present()]

    async def changed(self) -> bool:
        """Whether there is another model than the one that was read, or tried, last."""
        seen = await asyncio.to_thread(self.source.fingerprint)
        before, self._seen = self._seen, seen
        return bool(before) and seen != before


async def watch(repository: Repository, load: Loader, every_s: float) -> None:
    """Load a new champion, or a changed directory, when there is one; and read changed keys. Never ends.

    A version that can't be loaded is tried once; an admin can load it again.
    """
    failing = False
    while True:
        await asyncio.sleep(every_s)
        try:
            repository.service.keys.refresh()
        except ConfigError as e:
            logger.error("%s; the keys that were known go on counting", e)
        try:
            if await repository.changed():
                await load(repository.name)
            failing = False
        except MLServerError:
            pass  # `find` has counted and logged it
        except UnderstudyError as e:
            if not failing:  # said once, not at every look
                logger.error("can't look for a new model: %s", e)
            failing = True
            metrics.RELOAD_FAILURES.inc()
