"""One daemon for each who acts on the relay's word."""
