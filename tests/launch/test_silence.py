"""Who runs and answers no more is given up; who answers late is not."""

import pytest

from common.errors import EnvironmentFailure
from launch import silence
from launch.silence import ASK_SECONDS, SILENT_SECONDS, SilenceWatch


class Superlink:
    """Counts questions; answers unless it is silent."""

    def __init__(self) -> None:
        self.questions = 0
        self.silent = False

    def ask(self) -> None:
        self.questions += 1
        if self.silent:
            raise EnvironmentFailure("the superlink does not answer: see LOG")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [1000.0]
    monkeypatch.setattr(silence.time, "monotonic", lambda: time[0])
    return time


def test_it_is_asked_now_and_then(now: list[float]) -> None:
    superlink = Superlink()
    watch = SilenceWatch(superlink.ask)
    for _ in range(int(10 * ASK_SECONDS)):
        watch.look()
        now[0] += 1
    assert superlink.questions == 9


def test_silence_is_borne_for_a_while_and_then_one_sentence(now: list[float]) -> None:
    superlink = Superlink()
    watch = SilenceWatch(superlink.ask)
    superlink.silent = True
    while now[0] <= 1000 + SILENT_SECONDS:
        watch.look()
        now[0] += 1
    now[0] += ASK_SECONDS
    with pytest.raises(EnvironmentFailure, match=r"^for 151 s, the superlink does not answer: see LOG$"):
        watch.look()


def test_an_answer_ends_the_silence(now: list[float]) -> None:
    superlink = Superlink()
    watch = SilenceWatch(superlink.ask)
    for _ in range(20):
        superlink.silent = not superlink.silent
        now[0] += SILENT_SECONDS * 0.6
        watch.look()
    assert superlink.questions == 20
