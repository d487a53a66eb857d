"""One daemon for each source: it joins a transport to the relay, and reads nothing of what it carries."""
