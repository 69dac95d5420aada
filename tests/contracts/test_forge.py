"""Forge's tests of the contracts, `contracts/test/*.t.sol`, as one test here."""

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FORGE = shutil.which("forge", path=str(REPOSITORY / "node_modules/.bin")) or shutil.which("forge")


@pytest.mark.skipif(FORGE is None, reason="forge is not installed: `npm ci` brings it where npm is found")
def test_contracts_pass_their_forge_tests():
    tests = subprocess.run([FORGE, "test"], cwd=REPOSITORY / "contracts", capture_output=True, text=True, check=False)

    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert " 0 failed, 0 skipped" in tests.stdout.splitlines()[-1]
