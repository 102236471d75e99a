"""Convolutions and transposed ones, and what tells them apart."""

from pthway.architecture.scaffold.case import Case, Layer, Value, exact


def convolution(case: Case) -> Layer | None:
    """A convolution over one to three dimensions, transposed or not; None if it is none."""
    match exact(case, "weight", "bias"):
        case [(first, second, *kernel), bias] if len(kernel) in (1, 2, 3) and min((first, second, *kernel)) > 0:
            transposed, sure = _direction(case, first, second, bias)
            if transposed is None:
                return None
            return (_transposed if transposed else _plain)(case, (first, second), tuple(kernel), bias=bias, sure=sure)
    return None


def _direction(case: Case, first: int, second: int, bias: tuple[int, ...] | None) -> tuple[bool | None, bool]:
    """Whether it is transposed, and whether that is sure; None if it is neither way round."""
    groups = case.settings.number("groups") or 1
    if case.kind:
        transposed = "Transpose" in case.kind
        return (transposed if bias in (None, (second * groups,) if transposed else (first,)) else None), True
    if case.inputs is not None and first != second:
        return case.inputs == first, True
    ways = [transposed for transposed, out in ((False, first), (True, second)) if bias in (None, (out,))]
    if ways == [] and bias is not None:
        grouped = len(bias) == 1 and bias[0] % second == 0 and bias[0] > second and first % (bias[0] // second) == 0
        return (True if grouped else None), True
    if len(ways) == 1:
        return ways[0], True
    follows = {shape[0] for name, shape in case.after.items() if name in ("running_mean", "bias") and len(shape) == 1}
    if first != second and follows & {first, second} and "running_mean" in case.after:
        return second in follows, True
    before = case.before.gives if case.before and case.before.dimensions else None
    if before is not None and first != second and before in (first, second):
        return before == first, False
    return case.named(r"transp|deconv|(^|_)up|convt"), first == 1 == second


def _plain(case: Case, shape: tuple[int, int], kernel: tuple[int, ...], *, bias: tuple[int, ...] | None, sure: bool) -> Layer | None:
    out, share = shape
    told = case.settings.number("groups")
    before = case.before.gives if case.before and case.before.dimensions else None
    fits = before is not None and before % share == 0 and out % (before // share) == 0
    fits = fits and case.before is not None and case.before.takes != share  # else it takes what the layer before it took, beside it
    if share == 1 < out and case.before and case.before.gives == out:
        before, fits = out, True  # of a depthwise one, which can stand after any layer
    groups = told or (before // share if before is not None and fits and max(kernel) > 1 else 1)  # a shortcut beside has 1 × 1
    if out % groups:
        return None
    guesses = ("groups",) * (told is None and (groups > 1 or (before is not None and before != share)))
    guesses += ("transposed",) * (not sure)
    arguments: dict[str, Value] = {"in_channels": share * groups, "out_channels": out, "kernel_size": _same(kernel)}
    return Layer(
        f"Conv{len(kernel)}d",
        tuple((arguments | _spatial(case, groups, bias=bias, transposed=False)).items()),
        3,
        guesses=guesses + case.settings.open("stride", "padding", "dilation"),
        takes=share * groups,
        gives=out,
        dimensions=len(kernel),
    )


def _transposed(case: Case, shape: tuple[int, int], kernel: tuple[int, ...], *, bias: tuple[int, ...] | None, sure: bool) -> Layer | None:
    inp, share = shape
    groups = case.settings.number("groups") or (bias[0] // share if bias is not None and bias[0] % share == 0 else 1)
    if inp % groups or bias not in (None, (share * groups,)):
        return None
    guesses = ("transposed",) * (not sure) + case.settings.open("stride", "padding", "dilation")
    arguments: dict[str, Value] = {"in_channels": inp, "out_channels": share * groups, "kernel_size": _same(kernel)}
    return Layer(
        f"ConvTranspose{len(kernel)}d",
        tuple((arguments | _spatial(case, groups, bias=bias, transposed=True)).items()),
        3,
        guesses=guesses,
        takes=inp,
        gives=share * groups,
        dimensions=len(kernel),
    )


def _spatial(case: Case, groups: int, *, bias: tuple[int, ...] | None, transposed: bool) -> dict[str, Value]:
    options: dict[str, Value] = {"stride": 1, "padding": 0, "dilation": 1, "padding_mode": "zeros"}
    if transposed:
        options["output_padding"] = 0
    found = case.settings.options(options)
    if groups > 1:
        found["groups"] = groups
    return found | ({"bias": False} if bias is None else {})


def _same(sizes: tuple[int, ...]) -> Value:
    return sizes[0] if len(set(sizes)) == 1 else sizes
