"""The client's app as three hostile participants run it."""
