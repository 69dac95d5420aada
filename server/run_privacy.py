"""From a run's settings to its privacy statement: what clients release, and which conditions hold by construction."""

from common.accounting import DpSgdRelease, GaussianRelease, PrivacyStatement, Release
from common.config import Settings
from server.privacy_statement import Conditions, statement


def run_statement(settings: Settings, participations: int) -> PrivacyStatement:
    """State what holds for a client that answered `participations` rounds of this run with noise.

    A client answers a round once: it keeps its signed reply and sends the same again, so that rounds bound
    participations from above, accepted or not.
    """
    return statement(releases(settings), conditions(settings), settings.delta, participations)


def releases(settings: Settings) -> tuple[Release, ...]:
    """Return what one participation releases; nothing where no noise is added."""
    if settings.noise == "gaussian":
        return (GaussianRelease(settings.noise_multiplier, unit="client", adjacency="zero-out"),)
    if settings.noise == "dp-sgd":
        return (DpSgdRelease(settings.noise_multiplier, settings.sample_rate, settings.local_steps),)
    return ()


def conditions(settings: Settings) -> Conditions:
    """Return what is true of everything that a client of this run sends.

    With Gaussian noise an update has the model's `NoisyForm`: dense, clipped as one vector, with public values for row
    ids, counts, users and exposures. Under DP-SGD (`client/dp_sgd.py`) an interaction is one example with one clipped
    gradient, users' vectors move by noisy steps alone, and an update is how far the noisy steps have led, no more.
    Scores are computed from public data and released updates. What is left are the metrics of held-out items.
    """
    return Conditions(
        operating_system_entropy=not settings.insecure_deterministic_noise,
        dense_row_block=True,
        one_joint_clip=True,
        uncharged=() if settings.withhold_metrics else ("metrics",),
        one_example_per_interaction=True,
        user_vectors_from_noisy_steps=True,
    )
