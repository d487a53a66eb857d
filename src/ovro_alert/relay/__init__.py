"""The relay: takes alerts in, keeps the log, hands commands out. It knows no daemon by name."""
