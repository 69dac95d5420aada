"""Clients that do harm: each attack wraps the honest client, and plays in a whole federation."""
