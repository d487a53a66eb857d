"""Which alerts lead to which commands: rules as data, decisions with their reasons. Pure."""
