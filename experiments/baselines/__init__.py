"""What federated training is compared with. Pure functions on arrays: nothing here opens a connection."""
