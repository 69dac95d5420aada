"""The only place that knows both sides: command line, local federation, simulation."""
