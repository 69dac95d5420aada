"""What `tfedrs doctor` looks at, one file a subject. Nothing is changed, and nothing is started."""
