"""What coordinates: the round, the checks, the reputation and the ledger."""
