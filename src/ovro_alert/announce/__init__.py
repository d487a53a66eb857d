"""What DSA-110 has seen, told to the world: a VOEvent, a GCN notice, a request to Swift, a report for TNS."""
