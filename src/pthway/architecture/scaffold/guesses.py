"""What weights do not tell of a layer, by the word that marks it, with what would settle it."""

from collections.abc import Mapping
from typing import Final

GUESSES: Final[Mapping[str, str]] = {
    "stride": "strides leave no trace in weights; the training code has them, or the output's size for a known input",
    "padding": "as stride",
    "dilation": "as stride",
    "groups": "Conv(8, 8, groups=2) and Conv(4, 8) have one shape; the number of channels that come in",
    "transposed": "Conv(a, b) and ConvTranspose(b, a) have one shape; the channels that come in, or the training code",
    "heads": "one matrix holds all heads; the training code or a configuration file",
    "eps": "a constant of the code; torch's default stands here",
    "norm": "layers that normalise have the same names and shapes; the training code",
    "dimensions": "a norm over 1, 2 or 3 dimensions has one shape; what the layer before it gives",
    "embedding": "Embedding and Linear without bias have one shape; whether numbers or indices come in",
    "batch_first": "the order of batch and time; the training code",
    "nonlinearity": "tanh or relu; the training code",
    "activation": "relu, gelu or another function; the training code",
    "norm_first": "whether norms stand before attention or after it; the training code",
    "layer": "other layers have these names and shapes too; the training code",
    "name": "the file has the module's name and not its class; the training code",
    "parameter": "a state dict does not tell parameters from buffers; the numbers are loaded either way",
    "container": "Sequential and ModuleList have the same names; the training code",
    "class": "the file names a class of its own; what it does beyond the torch layer of this shape is in its code",
    "order": "modules run in the order of the file, and functions between them (relu, pooling) leave no trace; the training code",
}
"""Word → why it is not known, and what would settle it."""

HARMLESS: Final = frozenset(("parameter",))
"""Guesses that change no number of an answer."""
