"""Table <-> tokens: every modelled column becomes at most 256 tokens, and back.

A token is a category, an exact value, or a bin of values; what lies inside a bin is drawn from
the bin's own empirical distribution. Categories and exact values need `min_units` units.
"""

from understudy.encoding.categorical import CategoricalCodec
from understudy.encoding.codec import Codec, TableCodec, fit_codec
from understudy.encoding.numerical import NumericalCodec

__all__ = ["CategoricalCodec", "Codec", "NumericalCodec", "TableCodec", "fit_codec"]
