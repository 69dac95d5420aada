import subprocess
import sys

import pytest

import common.device
from common.device import resolved
from common.errors import WrongUse


@pytest.fixture
def devices(tmp_path):
    (tmp_path / "null").touch()
    return tmp_path


def test_without_a_device_file_auto_is_the_processor_and_torch_is_not_asked(devices, monkeypatch):
    monkeypatch.setattr(common.device, "_torch_sees_cuda", None)
    assert resolved("auto", devices) == resolved("cpu", devices) == "cpu"


@pytest.mark.parametrize("name", ["nvidia0", "nvidia3", "dxg"])
@pytest.mark.parametrize(("seen", "wanted"), [(True, "cuda"), (False, "cpu")])
def test_with_one_auto_is_what_torch_sees(devices, monkeypatch, name, seen, wanted):
    (devices / name).touch()
    monkeypatch.setattr(common.device, "_torch_sees_cuda", lambda: seen)
    assert resolved("auto", devices) == wanted
    assert resolved("cpu", devices) == "cpu"


@pytest.mark.parametrize("name", ["null", "nvidiactl", "nvidia0"])
def test_cuda_that_is_not_there_is_one_sentence(devices, monkeypatch, name):
    (devices / name).touch()
    monkeypatch.setattr(common.device, "_torch_sees_cuda", lambda: False)
    with pytest.raises(WrongUse, match=r"^torch sees no CUDA device on this machine: choose --device auto or cpu\.$"):
        resolved("cuda", devices)


def test_another_choice_is_wrong_use():
    with pytest.raises(WrongUse, match="auto, cpu, cuda"):
        resolved("tpu")


def test_asking_for_the_processor_imports_no_torch():
    command = "import sys; from common.device import resolved; resolved('cpu'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", command], check=True, timeout=60)
