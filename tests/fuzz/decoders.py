"""Every decoder that reads what others wrote: valid inputs, how they are changed, what it may raise, what it may cost.

`tests/fuzz/test_fuzz.py` makes sure that no reader of the code is missing here.
"""

from pathlib import Path

from tests.fuzz.chain_decoders import chain
from tests.fuzz.coordinator_decoders import coordinators_files, run_files
from tests.fuzz.corpora import Corpora
from tests.fuzz.decoder import Decoder
from tests.fuzz.message_decoders import messages, signatures, updates_and_models
from tests.fuzz.participant_decoders import data_files, participants_files


def decoders(folder: Path) -> tuple[Decoder, ...]:
    """Make all decoders; valid inputs and scratch files lie below `folder`."""
    corpora = Corpora(folder / "valid")
    scratch = folder / "scratch"
    scratch.mkdir()
    return (
        *messages(corpora),
        *updates_and_models(corpora),
        *signatures(corpora),
        *participants_files(corpora, scratch),
        *data_files(scratch),
        *coordinators_files(corpora, scratch),
        *run_files(corpora, scratch),
        *chain(scratch),
    )
