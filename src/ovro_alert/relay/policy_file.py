"""The policy's file, read again when it changes: a relay need not be started again for a rule."""

import asyncio
import logging
from pathlib import Path

from ovro_alert.policy import rules
from ovro_alert.relay.intake import Intake
from ovro_alert.store import feed
from ovro_alert.store.log import Log, Transaction
from ovro_alert.store.news import is_news

Marks = tuple[int, ...]
logger = logging.getLogger(__name__)


class PolicyFile:
    """Puts a changed policy in force; one that cannot be used leaves the one before, and people are told.

    `trouble` says why what is in the file is not in force; None where it is.
    """

    def __init__(self, path: Path | None, slots: frozenset[str], intake: Intake, log: Log) -> None:
        self.trouble: str | None = None
        self._path = path
        self._slots = slots
        self._intake = intake
        self._log = log
        self._seen = self._read = _marks(path)

    async def look(self) -> None:
        """Reads the file if it has changed since, and has not since the last look: it may be half written."""
        marks = _marks(self._path)
        settled, self._seen = marks == self._seen, marks
        if not settled or marks == self._read:
            return
        before = self._intake.policy.digest, self.trouble
        try:
            policy = await asyncio.to_thread(rules.load, self._path, self._slots)
        except rules.PolicyError as error:
            self.trouble = str(error)
        else:
            self.trouble = None
            self._intake.policy = policy
        self._read = marks
        if before != (self._intake.policy.digest, self.trouble):
            self._say()
            await self._log.write(self._tell)

    def _say(self) -> None:
        if self.trouble is None:
            logger.warning("a changed policy is in force: %d rules", len(self._intake.policy.rules))
        else:
            logger.error("the policy cannot be used, the one before stays in force: %s", self.trouble)

    def _tell(self, tx: Transaction) -> None:
        policy = self._intake.policy
        said = {"rules": len(policy.rules), "digest": policy.digest, "trouble": self.trouble}
        if is_news(tx, "policy", str(said)):
            feed.append(tx, feed.Happened.POLICY, said)


def _marks(path: Path | None) -> Marks:
    """What changes with a file's content; nothing of one that is not there."""
    if path is None:
        return ()
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
