"""Pipelines composed of `components`; compiling, submitting and running them here."""
