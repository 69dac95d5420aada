"""requirements.lock: all that pyproject.toml needs, to the last package, in versions that will do; nothing else."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from itertools import chain

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from launch.workspace import PROJECT_ROOT

_PIN = re.compile(r"([a-z0-9-]+)==([0-9][a-z0-9.]*)")


def pins() -> dict[str, str]:
    lines = (PROJECT_ROOT / "requirements.lock").read_text().splitlines()
    found = [_PIN.fullmatch(line) for line in lines if not line.startswith("#")]
    assert all(found), "a line is more than a name and a version: an address, a hash, a range"
    return {pin[1]: pin[2] for pin in found if pin}


def needs(requirement: Requirement) -> Iterator[Requirement]:
    """What an installed package needs here, with the extras that are asked for."""
    for text in distribution(requirement.name).requires or ():
        need = Requirement(text)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
            yield need


def all_needs() -> Iterator[Requirement]:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    asked = [Requirement(text) for text in chain(project["dependencies"], *project["optional-dependencies"].values())]
    seen = set()
    while asked:
        requirement = asked.pop()
        if str(requirement) not in seen:
            seen.add(str(requirement))
            yield requirement
            asked.extend(need for need in needs(requirement) if not re.match("nvidia-|cuda-|triton", need.name))


def test_every_package_that_is_needed_is_pinned_to_a_version_that_will_do() -> None:
    locked = pins()
    for requirement in all_needs():
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in requirements.lock: run `make lock`"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}, but {version}: `make lock`"


def test_nothing_is_pinned_that_nobody_needs() -> None:
    assert pins().keys() == {canonicalize_name(requirement.name) for requirement in all_needs()}
