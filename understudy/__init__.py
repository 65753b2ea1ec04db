"""Understudy: synthetic tabular data that is good enough to train on and private enough to share."""

__version__ = "0.1.0"
