"""What an update with noise must satisfy before anything is computed from it.

The structural bounds of an update without noise do not hold any more; what remains is its form, which is public to the
last number, and how long a clipped vector with noise can be.
"""

from dataclasses import dataclass

import numpy as np

from common.errors import CheckFailed, Rejected
from common.models.layout import check_layout, check_semidefinite
from common.models.model import Arrays, NoisyForm
from common.norms import joint_norm, largest_honest_norm

FAILURE_PROBABILITY = 1e-12
"""How often an honest update may be longer than its bound."""


@dataclass(frozen=True, eq=False)
class NoisyRules:
    """The rules for one form and one mechanism: one joint clip, then Gaussian noise on every entry."""

    form: NoisyForm
    clipping_norm: float
    noise_multiplier: float

    def check(self, update: Arrays) -> None:
        """Raise `Rejected` with the first broken rule: layout, public values, finite and not too long, matrices."""
        form = self.form
        public = {name: (array.dtype.newbyteorder("<").str, array.shape) for name, array in form.public.items()}
        check_layout(update, {**form.noisy, **public})
        for name, value in form.public.items():
            if not np.array_equal(update[name], value):
                raise Rejected(f"{name} is not the public value that stands for a client's own")
        entries = sum(int(np.prod(shape)) for _, shape in form.noisy.values())
        limit = largest_honest_norm(self.clipping_norm, self.noise_multiplier, entries, FAILURE_PROBABILITY)
        try:
            length = joint_norm(update, form.noisy)
        except CheckFailed:
            raise Rejected("an entry of the update is not finite") from None
        if not length <= limit * (1 + 1e-6):
            raise Rejected("the update is longer than its clipping norm and noise allow")
        for name in form.semidefinite:
            check_semidefinite(name, update[name])
