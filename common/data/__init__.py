"""Data sets, splits, partitions, and what a client's file and a probe file hold. One loader a file."""
