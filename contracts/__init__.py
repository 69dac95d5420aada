"""The Solidity ledger: sources, committed artifacts, build and deployment."""
