"""Who may speak with the relay, and that keys stay out of its log."""

import logging
import re

import pytest

from ovro_alert.relay.app import create_app
from ovro_alert.relay.keys import HideKeys
from ovro_alert.relay.settings import RelaySettings, load_settings

PATHS = [
    "/lwa",
    "/lwa/commands",
    "/feed",
    "/events",
    "/events/x",
    "/alerts/x/raw",
    "/setaside",
    "/commands/1",
]


@pytest.mark.parametrize("path", PATHS)
def test_without_a_key_nothing_is_told(anyone, path):
    answer = anyone.get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/lwa"), ("POST", "/alerts"), ("POST", "/commands/1/claim")]
)
def test_without_a_key_nothing_is_taken(anyone, method, path):
    assert anyone.request(method, path, content=b"{}").status_code == 401


@pytest.mark.parametrize(
    "shown",
    [
        {"headers": {"Authorization": "Bearer s3cret"}},
        {"headers": {"X-API-Key": "s3cret"}},
        {"params": {"key": "s3cret"}},
    ],
)
def test_the_key_may_be_shown_in_three_ways(anyone, shown):
    assert anyone.get("/lwa", **shown).status_code == 200


@pytest.mark.parametrize(
    "shown",
    [
        {"headers": {"Authorization": "Bearer s3cret2"}},
        {"headers": {"Authorization": "Basic s3cret"}},
        {"headers": {"X-API-Key": ""}},
        {"headers": {"X-API-Key": "café".encode("latin-1")}},
        {"params": {"key": "S3CRET"}},
    ],
)
def test_a_wrong_key_is_none(anyone, shown):
    assert anyone.get("/lwa", **shown).status_code == 401


def test_health_and_docs_need_none(anyone):
    assert anyone.get("/healthz").json() == {"status": "ok"}
    docs = anyone.get("/docs")
    assert docs.status_code == 200
    for asset in re.findall(r'(?:src|href)="([^"]+)"', docs.text):
        assert asset.startswith("/"), "a page behind a firewall cannot fetch it"
        assert anyone.get(asset).status_code == 200
    assert anyone.get("/").status_code == 200
    schema = anyone.get("/openapi.json").json()
    assert schema["paths"]["/{slot}"]["get"]["summary"] == "The newest entry of a slot"
    assert {"bearer": []} in schema["security"]


def test_the_access_log_does_not_hold_the_key():
    line = ("127.0.0.1:1", "GET", "/lwa?a=1&key=s3cret&b=2", "1.1", 200)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', line, None)
    assert HideKeys().filter(record)
    assert record.getMessage() == '127.0.0.1:1 - "GET /lwa?a=1&key=…&b=2 HTTP/1.1" 200'


def test_with_an_empty_key_set_the_relay_does_not_start(monkeypatch, tmp_path):
    monkeypatch.setenv("RELAY_KEY", "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="RELAY_KEY is empty"):
        load_settings()


def test_settings_come_from_the_environment_before_the_file(monkeypatch, tmp_path):
    file = tmp_path / "site.toml"
    file.write_text('[relay]\nkey = "from the file"\nmax_wait_s = 7.5\n[relay.slots]\ngbt = "telescope"\n')
    monkeypatch.setenv("OVRO_ALERT_CONFIG", str(file))
    monkeypatch.delenv("RELAY_KEY", raising=False)
    assert load_settings().key.get_secret_value() == "from the file"
    monkeypatch.setenv("RELAY_KEY", "from the environment")
    monkeypatch.setenv("OVRO_ALERT_DATABASE_URL", "sqlite:////there.sqlite")
    settings = load_settings()
    assert settings.key.get_secret_value() == "from the environment"
    assert settings.database_url == "sqlite:////there.sqlite"
    assert settings.max_wait_s == 7.5
    assert settings.commanded == {"gbt"}
    assert "environment" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[relay]\nkey='k'\nmax_wait_s = -1", "max_wait_s"),
        ("[relay]\nkey='k'\nnonsense = 1", "nonsense"),
        ("[relay]\nkey='k'\n[relay.slots]\nfeed = 'sender'", "feed"),
        ("[relay]\nkey='k'\n[relay.slots]\nlwa = 'dish'", "lwa"),
        ("[relay]\nsite = [37.2, -118.3, 1222]", "site: .*geocentric"),
        ("[relay]\nsite = [nan, 0, 0]", "site"),
        ("[relay]\nring_s = 0", "ring_s"),
        ("[relay.rates]\nligo = {per_day = -1}", "rates.ligo.per_day"),
        ("[relay.rates]\nligo = {per_day = 1, sky_deg2 = 50000}", "rates.ligo.sky_deg2"),
        ("[relay", "site.toml"),
        ("relay = 1", r"\[relay\]"),
    ],
)
def test_settings_that_cannot_be_used_end_the_start_with_one_line(monkeypatch, tmp_path, text, reason):
    file = tmp_path / "site.toml"
    file.write_text(text)
    monkeypatch.setenv("OVRO_ALERT_CONFIG", str(file))
    monkeypatch.delenv("RELAY_KEY", raising=False)
    with pytest.raises(SystemExit, match=reason):
        load_settings()


def test_a_policy_that_cannot_be_used_ends_the_start(tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text("[[rule]]")
    with pytest.raises(SystemExit, match=r"policy\.toml:1: rule\.0"):
        create_app(RelaySettings(key="k", policy=policy))
