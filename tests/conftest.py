"""Fixtures for every test."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# how long one example takes depends on who else uses the machine, and says nothing about the code
settings.register_profile("tfedrs", deadline=None)
settings.load_profile("tfedrs")

# Who starts the tests with nohup, or in the background of a script, has them inherit ignored signals, which commands
# then rightly leave ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the data sets that do not come with the code."""
    folder = os.environ.get("TFEDRS_DATA")
    if not folder:
        pytest.skip("TFEDRS_DATA is not set")
    return Path(folder)
