"""Published data sets brought to this machine: downloaded, checked, unpacked, put in place. No client does this."""
