"""The relay's app, for `uvicorn relay_api:app`."""

from ovro_alert.relay.app import create_app

app = create_app()
