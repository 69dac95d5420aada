"""Defences: what they change in a run, one line each in `table`."""
