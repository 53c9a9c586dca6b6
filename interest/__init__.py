"""The ledger: the Redis store of works and interests, and the only place where a work changes state."""
