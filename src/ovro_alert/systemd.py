"""What systemd is told of a daemon that it started, by sd_notify(3): one datagram; without systemd, nothing.

In these few lines because no kept package has only them: sdnotify's last release is of 2017; systemd-python
and cysystemd are bound to libsystemd, which every host would need.
"""

import logging
import os
import socket

log = logging.getLogger(__name__)

LIMIT_S = 0.5  # systemd has better things to do, and so have we
READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


def notify(said: str) -> None:
    """Say one thing: READY, STOPPING, ALIVE or `STATUS=…`, on one line."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # of the abstract namespace (unix(7)), which no container has to share
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(LIMIT_S)
            sender.sendto(said.encode(), address)
    except OSError as error:
        log.warning("systemd cannot be told %s: %s", said, error)


def watchdog_s() -> float | None:
    """How long systemd waits for a sign of life before it starts the daemon anew; None where it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isascii() and microseconds.isdigit() else None
