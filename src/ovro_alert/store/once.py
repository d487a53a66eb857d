"""One write by a process that has no log open: a command line beside the relay."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from ovro_alert.store.log import Log, Transaction

T = TypeVar("T")


def write_once(url: str, job: Callable[[Transaction], T]) -> T:
    """Opens the log, runs a job as `Log.write` does, and closes it.

    Raises
        ValueError, sqlalchemy.exc.SQLAlchemyError: the log cannot be opened.
        Exception: as `Log.write`.
    """
    log = Log(url, lambda _: None)
    try:
        return asyncio.run(log.write(job))
    finally:
        log.close()
