"""Sampling on demand: MLServer with a runtime that draws rows, keys, limits, an audit log, metrics and a page."""
