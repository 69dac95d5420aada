"""`make lock`: write requirements.lock, each package that runs, experiments or tests need, as pip chooses it today.

It is given to pip as constraints (`--constraint`), by `make setup` and the Dockerfile alike. Versions only, no hashes:
torch has a build for each index that it may come from. What a CUDA build of torch would bring is left out, because
torch pins that itself, and because the file must not depend on which build this machine finds.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
_OF_CUDA = re.compile(r"nvidia-|cuda-|triton$")


def main() -> None:
    """Resolve without installing anything, and write what came out."""
    resolve = [*(sys.executable, "-m", "pip", "install"), "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    report = subprocess.run([*resolve, ".[dev,experiments]"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    pins = {}
    for entry in json.loads(report)["install"]:
        metadata = entry["metadata"]
        name = re.sub(r"[-_.]+", "-", metadata["name"]).lower()  # one spelling [PEP 503]
        if name != "tfedrs" and not _OF_CUDA.match(name):
            pins[name] = metadata["version"].partition("+")[0]  # 2.13.0+cpu is 2.13.0 from another index
    lines = [f"{name}=={version}" for name, version in sorted(pins.items())]
    (ROOT / "requirements.lock").write_text("\n".join(["# Written by `make lock`.", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
