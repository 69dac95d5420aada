import subprocess
import sys

SLOW = ("eth_account", "eth_abi", "eth_utils", "web3", "torch", "pandas", "scipy")


def test_a_client_process_imports_nothing_that_is_slow() -> None:
    """Every message starts one: what its import takes, every round takes for each client, twice."""
    command = f"import sys, client.app; print([name for name in {SLOW} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_a_client_process_imports_nothing_that_downloads_data() -> None:
    command = "import sys, client.app; print([name for name in sys.modules if name.partition('.')[0] == 'launch'])"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
