"""Tier 3: attacks on single people, and on one attribute of all of them. `run` runs them, `result` is what they found."""
