"""Tier 1: membership inference, one attack a file. `ensemble` runs them all."""
