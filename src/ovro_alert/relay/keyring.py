"""The keys that the relay knows, at hand: the one of its settings and those of the log's database."""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import SecretStr

from ovro_alert.relay.rights import ALL_RIGHTS, Rights
from ovro_alert.relay.throttle import Throttle
from ovro_alert.store import keys
from ovro_alert.store.keys import Key
from ovro_alert.store.log import Log, Unavailable

FRESH_S = 1.0  # how long a key that has been revoked may still be good
# A key that is not known may just have been made: it is looked for anew, but not at every one of a storm.
ANEW_BURST, ANEW_S = 20, 0.1
USED = timedelta(hours=1)  # how finely it is noted that a key has been used
logger = logging.getLogger(__name__)


class KeyRing:
    """All keys in force, read again when they are asked for and not fresh.

    They are few, so they are read at once: what a storm of wrong keys costs the database does not depend on
    how many they are.
    """

    def __init__(self, log: Log, clock: Callable[[], datetime], of_settings: SecretStr | None) -> None:
        self._log = log
        self._clock = clock
        self._of_settings = None
        if of_settings is not None:
            self._of_settings = keys.hash_of(of_settings.get_secret_value().encode())
        self._known: dict[str, tuple[Key, Rights]] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._anew = Throttle(ANEW_BURST, ANEW_S, addresses=1)
        self._used: set[str] = set()

    async def rights(self, token: bytes) -> Rights | None:
        """What a key allows; None of one that is not in force."""
        hashed = keys.hash_of(token)
        if self._of_settings is not None and hmac.compare_digest(hashed, self._of_settings):
            return ALL_RIGHTS
        id = keys.id_of(token)
        if id is None:
            return None
        now = time.monotonic()
        if now - self._read_at > FRESH_S:
            await self._read()
        found = self._find(id, hashed)
        if found is None and not self._anew.take("", now):
            await self._read()
            found = self._find(id, hashed)
        return found

    def _find(self, id: str, hashed: bytes) -> Rights | None:
        key, rights = self._known.get(id, (None, None))
        if key is None or not hmac.compare_digest(hashed, key.hash) or not key.is_in_force(self._clock()):
            return None
        self._used.add(id)
        return rights

    async def _read(self) -> None:
        """Reads the keys again, unless another request has begun to since this one asked."""
        asked = time.monotonic()
        async with self._reading:
            if self._read_at > asked:
                return
            self._read_at = time.monotonic()
            try:
                found = await self._log.peek("keys", keys.not_revoked)
            except Unavailable as error:
                # Those that were known stay good: a revocation could not have been written meanwhile either.
                logger.warning("the keys could not be read again: %s", error)
            else:
                self._known = {
                    id: (key, Rights(frozenset(key.scopes), key.name)) for id, key in found.items()
                }

    async def note_used(self) -> None:
        """Writes down which keys have been used, to the hour."""
        before = self._clock() - USED
        used, self._used = self._used, set()
        known = (self._known[id][0] for id in used & self._known.keys())
        if new := [key.id for key in known if key.last_used is None or key.last_used < before]:
            await self._log.write(lambda tx: keys.used(tx, new))
