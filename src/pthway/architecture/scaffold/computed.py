"""Layers whose weight is computed from other parameters: weight norm and spectral norm."""

from math import prod

from pthway.architecture.scaffold.case import Case, Layer
from pthway.architecture.scaffold.convolutions import convolution
from pthway.architecture.scaffold.matrices import linear


def weight_norm(case: Case) -> Layer | None:
    """A layer whose weight is a length times a direction, by either of torch's two ways; None if it is none."""
    for wrap, gain, direction in (
        ("nn.utils.weight_norm", "weight_g", "weight_v"),
        ("nn.utils.parametrizations.weight_norm", "parametrizations.weight.original0", "parametrizations.weight.original1"),
    ):
        shape = case.shapes.get(direction)
        if shape and case.shapes.get(gain) == (shape[0], *(1,) * (len(shape) - 1)):
            return _wrapped(case, wrap, shape, {gain, direction}, None)
    return None


def spectral_norm(case: Case) -> Layer | None:
    """A layer whose weight is divided by its largest singular value, by either of torch's two ways; None if it is none."""
    for wrap, plain, u, v in (
        ("nn.utils.spectral_norm", "weight_orig", "weight_u", "weight_v"),
        (
            "nn.utils.parametrizations.spectral_norm",
            "parametrizations.weight.original",
            "parametrizations.weight.0._u",
            "parametrizations.weight.0._v",
        ),
    ):
        shape, columns, rows = (case.shapes.get(name) for name in (plain, u, v))
        if shape and columns and rows and len(shape) > 1 and columns[0] * rows[0] == prod(shape):
            inputs = shape[0] if columns[0] == shape[1] else shape[1]
            return _wrapped(case, wrap, shape, {plain, u, v}, inputs)
    return None


def _wrapped(case: Case, wrap: str, shape: tuple[int, ...], names: set[str], inputs: int | None) -> Layer | None:
    rest = {name: shape for name, shape in case.shapes.items() if name not in names}
    layer = next(
        (found for rule in (linear, convolution) if (found := rule(case._replace(shapes={"weight": shape, **rest}, inputs=inputs)))), None
    )
    if layer is None or (inputs is not None and _columns(layer, shape) != case.shapes[next(n for n in names if n.endswith("_u"))][0]):
        return None
    return layer._replace(wrap=wrap)


def _columns(layer: Layer, shape: tuple[int, ...]) -> int:
    """The rows of the matrix whose norm spectral norm takes: outputs, which in a transposed convolution stand second."""
    return shape[1] if layer.kind.startswith("ConvTranspose") else shape[0]
