"""The functions of the rules' language that ask what the voltage buffer still holds."""

from collections.abc import Callable
from datetime import datetime

from rule_engine import DataType

from ovro_alert.policy.functions import Functions, Scope
from ovro_alert.sky import ring

OfWindow = Callable[[datetime, datetime], float]


def _ring_until(scope: Scope) -> Callable[[datetime], datetime]:
    """ring_until(time): when the voltage buffer will no longer have what was sampled then."""
    return lambda start: ring.leaves(start, scope.world.ring_s)


def _ring_files(scope: Scope) -> OfWindow:
    """ring_files(start, end): files of each pipeline that a dump of what it holds of them takes now; or 0."""

    def files(start: datetime, end: datetime) -> float:
        window = ring.held(start, end, scope.now, scope.world.ring_s)
        return float(window.files if window else 0)

    return files


def _ring_bytes(scope: Scope) -> OfWindow:
    """ring_bytes(start, end): the bytes of those files, of all pipelines."""

    def size(start: datetime, end: datetime) -> float:
        window = ring.held(start, end, scope.now, scope.world.ring_s)
        return float(window.bytes if window else 0)

    return size


FUNCTIONS: Functions = {
    "ring_until": (_ring_until, DataType.DATETIME, (DataType.DATETIME,)),
    "ring_files": (_ring_files, DataType.FLOAT, (DataType.DATETIME, DataType.DATETIME)),
    "ring_bytes": (_ring_bytes, DataType.FLOAT, (DataType.DATETIME, DataType.DATETIME)),
}
