"""One module for each command of `tfedrs`."""
