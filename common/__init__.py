"""What client and server must agree on: two versions of it would break the protocol or the numbers."""
