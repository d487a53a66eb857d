"""Where the relay and etcd are, from the environment, then the file, and never a secret in sight."""

import pytest

from ovro_alert.link.settings import EtcdSettings, LinkSettings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("RELAY_URL", "RELAY_KEY", "OVRO_ALERT_CONFIG", "OVRO_ALERT_ETCD_ENDPOINTS"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_comes_before_the_file_and_the_file_before_the_default(monkeypatch, tmp_path):
    assert LinkSettings().url == "http://127.0.0.1:8001"
    (tmp_path / "ovro-alert.toml").write_text('[link]\nurl = "https://file.test/"\nkey = "k1"\n')
    assert LinkSettings().url == "https://file.test"
    monkeypatch.setenv("RELAY_URL", "http://env.test:1")
    monkeypatch.setenv("RELAY_KEY", "k2")
    settings = LinkSettings()
    assert settings.url == "http://env.test:1"
    assert settings.key is not None
    assert settings.key.get_secret_value() == "k2"
    assert "k2" not in repr(settings)
    settings.relay().close()


@pytest.mark.parametrize("key", [None, ""])
def test_no_key_is_said_where_one_is_needed(monkeypatch, key):
    if key is not None:
        monkeypatch.setenv("RELAY_KEY", key)
    with pytest.raises(ValueError, match="RELAY_KEY"):
        LinkSettings().relay()


@pytest.mark.parametrize(
    "url", ["", "relay.test", "ftp://relay.test", "http://", "http://u:pw@r.test", "http://r.test/?key=pw"]
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_without_repeating_it(monkeypatch, url):
    monkeypatch.setenv("RELAY_URL", url)
    with pytest.raises(ValueError, match="RELAY_URL") as caught:
        LinkSettings()
    assert "pw" not in str(caught.value)


def test_a_misspelt_setting_is_named_and_its_value_is_not(tmp_path):
    (tmp_path / "ovro-alert.toml").write_text('[link]\nkye = "a secret"\n')
    with pytest.raises(ValueError, match="kye") as caught:
        LinkSettings()
    assert "a secret" not in str(caught.value)


def test_a_client_takes_ovros_etcd_where_none_is_named(monkeypatch):
    asked = []
    monkeypatch.setattr("ovro_alert.link.settings.Etcd", lambda endpoints, *_: asked.append(tuple(endpoints)))
    EtcdSettings().client()
    EtcdSettings(endpoints=("http://one.test:2379",)).client()
    assert asked == [("http://etcdv3service:2379",), ("http://one.test:2379",)]


def test_the_members_of_etcd_and_its_password(monkeypatch, tmp_path):
    assert EtcdSettings().endpoints == ()
    (tmp_path / "ovro-alert.toml").write_text('[etcd]\nuser = "alert"\npassword = "pw"\n')
    monkeypatch.setenv("OVRO_ALERT_ETCD_ENDPOINTS", '["http://one.test:2379/", "https://two.test:2379"]')
    settings = EtcdSettings()
    assert settings.endpoints == ("http://one.test:2379", "https://two.test:2379")
    assert settings.user == "alert"
    assert "pw" not in repr(settings)
    monkeypatch.setenv("OVRO_ALERT_ETCD_ENDPOINTS", '["http://alert:pw@one.test:2379"]')
    with pytest.raises(ValueError, match="endpoints") as caught:
        EtcdSettings()
    assert "pw" not in str(caught.value)
