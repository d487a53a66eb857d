"""Who shows wrong keys is answered less and less: a token bucket for each address, in bounded memory."""

from collections import OrderedDict
from ipaddress import IPv6Address, IPv6Network, ip_address

BURST = 20  # wrong keys at once: a daemon that is restarted with an old one
INTERVAL_S = 3.0  # and then one in this time
ADDRESSES = 10_000  # that are told apart
ALL_OTHERS = "all others"


class Throttle:
    """The buckets. The clock is the caller's: `now` is monotonic, s.

    Kept as the generic cell rate algorithm has it (ITU-T I.371, annex A): of a bucket only the moment at
    which it will be full again, so an address that has been quiet so long need not be remembered. While
    `addresses` of them are not quiet the next share one bucket, and nobody is forgotten by the noise of
    others.
    """

    def __init__(
        self, burst: int = BURST, interval_s: float = INTERVAL_S, addresses: int = ADDRESSES
    ) -> None:
        self._burst_s = burst * interval_s
        self._interval_s = interval_s
        self._addresses = addresses
        self._full_at: OrderedDict[str, float] = OrderedDict()  # the longest quiet first

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, address: str, now: float) -> float:
        """Takes a token out of the address's bucket: 0, or the seconds after which there will be one."""
        who = group(address)
        if who not in self._full_at:
            self._forget_quiet(now)
            if len(self._full_at) >= self._addresses:
                who = ALL_OTHERS
        full_at = max(now, self._full_at.get(who, now)) + self._interval_s
        wait = full_at - now - self._burst_s
        if wait > 0:
            return wait
        self._full_at[who] = full_at
        self._full_at.move_to_end(who)
        return 0.0

    def _forget_quiet(self, now: float) -> None:
        while self._full_at:
            who, full_at = next(iter(self._full_at.items()))
            if full_at > now:
                return
            del self._full_at[who]


def group(address: str) -> str:
    """The address, or of IPv6 its network of 64 bits: the least that one host is given (RFC 6177)."""
    try:
        ip = ip_address(address)
    except ValueError:  # a Unix socket's, or none
        return address
    if not isinstance(ip, IPv6Address):
        return address
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(IPv6Network((int(ip), 64), strict=False))
