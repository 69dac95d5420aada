"""A Flower app that does nothing; `exchange.py` comes from server/ when the app is bundled."""
