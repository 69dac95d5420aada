"""The error tree. A message is one sentence: what is wrong, and what to do about it.

TfedrsError
├── CheckFailed          exit code 1: something was computed and is not as it should be
├── WrongUse             exit code 2: a flag, a setting or an input file is wrong
├── EnvironmentFailure   exit code 3: no chain, a port taken, a process that died
└── Rejected             never leaves the server: a client's message is dropped with this reason
"""


class TfedrsError(Exception):
    """Every error that a person is meant to read."""

    exit_code = 1


class CheckFailed(TfedrsError):
    """A check ran to its end and failed."""


class WrongUse(TfedrsError):
    """The caller asked for something that cannot be done; nothing was started or written."""

    exit_code = 2


class EnvironmentFailure(TfedrsError):
    """The machine, the network or the chain does not provide what the run needs."""

    exit_code = 3


class Rejected(TfedrsError):
    """A client's bytes break a rule. The reason is recorded in the evidence and costs that client the round."""
