"""Where the relay is and with which key to speak to it, where etcd is, and what every client is told."""

import socket
from pathlib import Path

from pydantic import AliasChoices, Field, FilePath, SecretStr

from ovro_alert.alert import Positive
from ovro_alert.link.etcd import Etcd
from ovro_alert.link.relay import Relay
from ovro_alert.settings import Address, Settings


class LinkSettings(Settings, table="link"):
    """Table `[link]`; the environment names them RELAY_URL and RELAY_KEY, as daemons of today do."""

    url: Address = Field("http://127.0.0.1:8001", validation_alias=AliasChoices("RELAY_URL", "url"))
    key: SecretStr | None = Field(None, validation_alias=AliasChoices("RELAY_KEY", "key"))

    def relay(self) -> Relay:
        """A new connection to the relay; ValueError where no key is set."""
        if self.key is None or not self.key.get_secret_value():
            raise ValueError("no key for the relay: set RELAY_KEY in the environment, or key under [link]")
        return Relay(self.url, self.key.get_secret_value())


OVROS = "http://etcdv3service:2379"  # the name at each of OVRO's telescopes, within its own domain


class EtcdSettings(Settings, table="etcd"):
    """Table `[etcd]`: the cluster's members, and whom to be for it where it asks."""

    # Where none is named telescopes' clients take OVRO's; a receiver, which may have a folder only, has none.
    endpoints: tuple[Address, ...] = ()
    user: str = ""
    password: SecretStr = SecretStr("")
    ca: FilePath | None = None  # the certificate that signed theirs; without it the system's are trusted

    def client(self) -> Etcd:
        """A new connection to the cluster; to OVRO's where none is named."""
        return Etcd(self.endpoints or (OVROS,), self.user, self.password.get_secret_value(), self.ca)


class WorkerSettings(Settings, table="worker"):
    """What every client that carries out commands is told."""

    slot: str
    # Its name at the relay, and of its cursor: another for each of several clients on one directory.
    client: str = Field(default_factory=socket.gethostname, pattern=r"^[\w.-]{1,100}$")
    directory: Path  # of documents, locks, cursors
    lease_s: float = Field(10.0, ge=0.5, le=3600)  # so long a command waits for the next if this one dies
    wait_s: float = Field(1.5, gt=0, le=60)  # of one request for news, and of a clean end
    recheck_s: Positive = 1.0  # between two tries of what another holds, or cannot be done yet
    at_once: int = Field(64, ge=1, le=1000)  # commands that are in its hands
