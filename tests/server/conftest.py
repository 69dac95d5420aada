"""Fixtures for the tests of the server."""

import pytest

from tests.small_federation import SmallFederation, prepare


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallFederation:
    """A federation whose client folders are shared by all tests of a session."""
    return prepare(tmp_path_factory.mktemp("small") / "participants")
