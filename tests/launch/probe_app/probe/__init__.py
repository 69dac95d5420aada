"""A tiny Flower app for the tests of the launcher."""
