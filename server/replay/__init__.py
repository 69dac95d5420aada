"""A settled run played again from its public record, by somebody who trusts nobody.

`public_round` reads a round's evidence, `exact` recomputes what follows from it in integers, `on_ledger` compares it
with the chain, `restricted` recomputes scores and models from the updates. The formulas are the server's own; nothing
of its state is used.
"""
