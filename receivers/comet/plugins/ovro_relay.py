"""Where Twisted looks for Comet's plugins; the receiver itself is ovro_alert.receivers.chime_voevent."""

from ovro_alert.receivers.chime_voevent import ovro_relay  # type: ignore[import-not-found]

__all__ = ["ovro_relay"]
