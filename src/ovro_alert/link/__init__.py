"""What every daemon uses to talk with the relay: the vocabulary and HTTP, nothing of the relay's inside."""
