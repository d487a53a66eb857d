"""Settings of every daemon: the environment first, then one table of a TOML file, then the defaults.

The file is named by OVRO_ALERT_CONFIG; without it `ovro-alert.toml` in the working directory is read if it
is there. Each daemon has a table of its own in it (`[relay]`, `[link]`, `[gcn_kafka]`, `[lwa_alert]` …), and
the environment names the same setting OVRO_ALERT_<TABLE>_<SETTING> unless the setting says otherwise.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

DEFAULT_FILE = "ovro-alert.toml"


def settings_file() -> Path:
    """The path of the TOML file, which need not exist unless OVRO_ALERT_CONFIG names it."""
    return Path(os.environ.get("OVRO_ALERT_CONFIG", DEFAULT_FILE))


def settings_table(table: str) -> dict[str, Any]:
    """One table of the settings file; empty where there is none.

    Raises
        FileNotFoundError: OVRO_ALERT_CONFIG names a file that is not there.
        ValueError: the file is not TOML, or `table` is not a table of it.
    """
    path = settings_file()
    if not path.exists() and "OVRO_ALERT_CONFIG" not in os.environ:
        return {}
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8")).get(table, {})
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: {table} must be a table, [{table}]")
    return value


def _plain_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address, such as http://127.0.0.1:8001")
    if parts.username or parts.password or parts.query or parts.fragment:
        # What stands in an address ends up in logs.
        raise ValueError("must hold no user, password, query or fragment: those are settings of their own")
    return url.rstrip("/")


Address = Annotated[str, AfterValidator(_plain_address)]


class Settings(BaseSettings):
    """Base of a daemon's settings; a subclass names its `table`."""

    # Inputs stay out of error messages: a key under a misspelt name would be printed with them.
    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )
    table: ClassVar[str]

    def __init_subclass__(cls, *, table: str, **kwargs: Any) -> None:
        cls.table = table
        cls.model_config["env_prefix"] = f"OVRO_ALERT_{table.upper()}_"
        super().__init_subclass__(**kwargs)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, InitSettingsSource(settings_cls, settings_table(cls.table))
