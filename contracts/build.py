"""Compile `src/*.sol` into `artifacts/*.json`: `python -m contracts.build [--check]`.

The compiler is npm's WebAssembly solc behind `solcjs_shim.js`, because native compilers can only be had by
download. Everything that is imported from OpenZeppelin is put into the compiler's input, so that the result depends
on the pinned packages and on nothing else. Run `npm ci` at the repository root first.
"""

import argparse
import json
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

import solcx

from common.errors import CheckFailed, EnvironmentFailure, TfedrsError
from contracts.artifacts import ARTIFACT_DIRECTORY, CONTRACT_NAMES, artifact_path

CONTRACTS_DIRECTORY = Path(__file__).parent
NODE_MODULES = CONTRACTS_DIRECTORY.parent / "node_modules"
COMPILER = CONTRACTS_DIRECTORY / "solcjs_shim.js"

SETTINGS: dict[str, Any] = {
    "evmVersion": "cancun",
    "optimizer": {"enabled": True, "runs": 200},
    # Without the metadata hash, comments and file names do not change the bytecode.
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
}

_IMPORT = re.compile(r"""^import\s+(?:[^"';]*\sfrom\s+)?["']([^"']+)["']""", re.MULTILINE)


def source_closure() -> dict[str, str]:
    """Every source file that the contracts need, by its name in import statements, in the order of the names.

    Ours are called `src/Name.sol`, OpenZeppelin's `@openzeppelin/contracts/...`.

    Raises:
        EnvironmentFailure: the npm packages are not installed.
    """
    sources: dict[str, str] = {}
    pending = [f"src/{path.name}" for path in (CONTRACTS_DIRECTORY / "src").glob("*.sol")]
    while pending:
        name = pending.pop()
        if name in sources:
            continue
        path = (NODE_MODULES if name.startswith("@") else CONTRACTS_DIRECTORY) / name
        if not path.is_file():
            raise EnvironmentFailure(f"{path} is missing: run `npm ci` at the repository root")
        sources[name] = path.read_text(encoding="utf-8")
        for imported in _IMPORT.findall(sources[name]):
            is_relative = imported.startswith(".")
            pending.append(
                posixpath.normpath(posixpath.join(posixpath.dirname(name), imported)) if is_relative else imported
            )
    return dict(sorted(sources.items()))


def compile_contracts() -> dict[str, bytes]:
    """Compile everything.

    Returns:
        The bytes of each artifact by the contract's name; the same sources and packages give the same bytes.

    Raises:
        EnvironmentFailure: node or the npm packages are missing.
        CheckFailed: the sources do not compile, or the compiler warns about one of ours.
    """
    sources = source_closure()
    compiler_input = {
        "language": "Solidity",
        "sources": {name: {"content": content} for name, content in sources.items()},
        "settings": SETTINGS | {"outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}}},
    }
    try:
        version = solcx.wrapper.get_version_str_from_solc_binary(COMPILER)
        output = solcx.compile_standard(compiler_input, solc_binary=COMPILER)
    except OSError as error:
        raise EnvironmentFailure(f"the compiler needs node, which does not start: {error}") from error
    except solcx.exceptions.SolcError as error:
        raise CheckFailed(f"the contracts do not compile: {error}") from error
    for diagnostic in output.get("errors", []):
        if diagnostic.get("sourceLocation", {}).get("file", "src/").startswith("src/"):
            raise CheckFailed(f"the compiler warns: {diagnostic['formattedMessage']}")
    return {
        name: _artifact_bytes(name, version, output["contracts"][f"src/{name}.sol"][name]) for name in CONTRACT_NAMES
    }


def _artifact_bytes(name: str, version: str, compiled: dict[str, Any]) -> bytes:
    content = {
        "contractName": name,
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "compiler": f"solc {version}",
        "settings": SETTINGS,
    }
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def write_artifacts() -> None:
    """Compile and write every artifact."""
    ARTIFACT_DIRECTORY.mkdir(exist_ok=True)
    for name, content in compile_contracts().items():
        artifact_path(name).write_bytes(content)


def check_artifacts() -> None:
    """Compile and compare with what is committed.

    Raises:
        CheckFailed: naming the first contract whose artifact is missing or differs.
    """
    for name, content in compile_contracts().items():
        path = artifact_path(name)
        if not path.is_file() or path.read_bytes() != content:
            raise CheckFailed(
                f"artifacts/{path.name} is not what src/{name}.sol compiles to: run `python -m contracts.build`"
            )


def main() -> int:
    """Command line; the exit code is that of the error, if there is one."""
    parser = argparse.ArgumentParser(prog="python -m contracts.build", description="Compile the contracts.")
    parser.add_argument("--check", action="store_true", help="compare with the committed artifacts, write nothing")
    try:
        if parser.parse_args().check:
            check_artifacts()
        else:
            write_artifacts()
    except TfedrsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
