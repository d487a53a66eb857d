"""The known sources at hand, read again when a catalogue has changed."""

import asyncio
import logging
from dataclasses import replace

from ovro_alert.relay.intake import Intake
from ovro_alert.sky.catalogue import Catalogue
from ovro_alert.store import catalogue
from ovro_alert.store.log import Log

logger = logging.getLogger(__name__)


class KnownSources:
    """Puts the catalogues of the log before the rules, as they are, whoever imports one."""

    def __init__(self, intake: Intake, log: Log) -> None:
        self._intake = intake
        self._log = log
        self._version = 0  # that of no catalogue ever

    async def look(self) -> None:
        """Reads the catalogues if one has changed since."""
        version = await self._log.peek("catalogues", catalogue.version)
        if version == self._version:
            return
        sources = await self._log.read(catalogue.sources)
        found = await asyncio.to_thread(Catalogue, sources)
        self._intake.world = replace(self._intake.world, catalogue=found)
        self._version = version
        logger.info("%d known sources are in force", len(sources))
