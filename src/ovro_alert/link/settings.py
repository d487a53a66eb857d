"""Where the relay is and with which key to speak to it: the same two settings for every daemon."""

from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator

from ovro_alert.link.relay import Relay
from ovro_alert.settings import Settings


class LinkSettings(Settings, table="link"):
    """Table `[link]`; the environment names them RELAY_URL and RELAY_KEY, as daemons of today do."""

    url: str = Field("http://127.0.0.1:8001", validation_alias=AliasChoices("RELAY_URL", "url"))
    key: SecretStr | None = Field(None, validation_alias=AliasChoices("RELAY_KEY", "key"))

    @field_validator("url")
    @classmethod
    def _is_plain_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be the relay's address, such as http://127.0.0.1:8001")
        if parts.username or parts.password or parts.query or parts.fragment:
            # What stands in an address ends up in logs.
            raise ValueError("must hold no user, password, query or fragment: the key is a setting")
        return url.rstrip("/")

    def relay(self) -> Relay:
        """A new connection to the relay; ValueError where no key is set."""
        if self.key is None or not self.key.get_secret_value():
            raise ValueError("no key for the relay: set RELAY_KEY in the environment, or key under [link]")
        return Relay(self.url, self.key.get_secret_value())
