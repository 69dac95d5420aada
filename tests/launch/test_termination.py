import os
import signal

import pytest

from launch.termination import termination_raises, uninterrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_unwinds_the_program(number):
    before = signal.getsignal(number)
    unwound = False
    with pytest.raises(SystemExit) as ended, termination_raises():
        try:
            os.kill(os.getpid(), number)
        finally:
            unwound = True
    assert unwound
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is before


def test_a_signal_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with termination_raises():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interruption_waits_until_the_block_is_done():
    done = False
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        done = True
    assert done
