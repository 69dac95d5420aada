"""From the flags of a command to its call, and what a person is told of the outcome.

Heavy modules are imported only by the handler that needs them, so that --help answers at once. A handler returns what
--json prints.
"""
