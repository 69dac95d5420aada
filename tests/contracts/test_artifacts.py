"""The committed artifacts are what the sources compile to, and load without a compiler."""

import dataclasses
import shutil

import pytest

from contracts import build
from contracts.artifacts import CONTRACT_NAMES, artifact_path, load_artifact

without_compiler = shutil.which("node") is None or (
    shutil.which("npm") is None and not (build.NODE_MODULES / "solc").is_dir()
)
needs_compiler = pytest.mark.skipif(without_compiler, reason="node or npm is not installed, so nothing compiles")


@pytest.fixture(scope="module")
def compiled() -> dict[str, bytes]:
    return build.compile_contracts()


@needs_compiler
def test_sources_compile_to_the_committed_bytes(compiled):
    for name in CONTRACT_NAMES:
        assert compiled[name] == artifact_path(name).read_bytes(), f"run `python -m contracts.build`: {name}"


@needs_compiler
def test_check_names_the_first_contract_that_differs(compiled, monkeypatch, capsys, tmp_path):
    for name, content in compiled.items():
        (tmp_path / f"{name}.json").write_bytes(content)
    (tmp_path / "RewardToken.json").write_bytes(compiled["RewardToken"].replace(b"TFR", b"TFX") + b" ")
    (tmp_path / "RoundLedger.json").unlink()
    monkeypatch.setattr(build, "artifact_path", lambda name: tmp_path / f"{name}.json")
    monkeypatch.setattr(build, "compile_contracts", lambda: compiled)
    monkeypatch.setattr("sys.argv", ["contracts.build", "--check"])

    assert build.main() == 1
    message = capsys.readouterr().err
    assert "RewardToken" in message
    assert "RoundLedger" not in message


@needs_compiler
def test_build_writes_what_check_accepts(compiled, monkeypatch, tmp_path):
    monkeypatch.setattr(build, "ARTIFACT_DIRECTORY", tmp_path / "artifacts")
    monkeypatch.setattr(build, "artifact_path", lambda name: tmp_path / "artifacts" / f"{name}.json")
    monkeypatch.setattr(build, "compile_contracts", lambda: compiled)

    build.write_artifacts()

    build.check_artifacts()


def test_missing_packages_are_an_environment_failure(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(build, "NODE_MODULES", tmp_path)
    monkeypatch.setattr("sys.argv", ["contracts.build"])

    assert build.main() == 3
    assert "npm ci" in capsys.readouterr().err


@pytest.mark.parametrize("name", CONTRACT_NAMES)
def test_artifact_loads_and_is_frozen(name):
    artifact = load_artifact(name)

    assert artifact.name == name
    assert bytes.fromhex(artifact.bytecode.removeprefix("0x"))
    assert {"constructor", "function", "event", "error"} == {entry["type"] for entry in artifact.abi}
    with pytest.raises(dataclasses.FrozenInstanceError):
        artifact.bytecode = ""


def test_unknown_contract_is_named():
    with pytest.raises(KeyError, match="no contract is named Nobody"):
        load_artifact("Nobody")
