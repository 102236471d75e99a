"""The signature of a module, found by running a weightless twin of it; nothing is assumed that no run has shown."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import torch
from torch import nn

from pthway.model.batch_axis import batch_by_influence, batch_by_shape
from pthway.model.entries import Hypothesis, Kind, hypotheses
from pthway.model.sizes import IMAGES, LENGTHS, Range, Search, Sizes, unequal
from pthway.model.trial import Exhausted, Pass, Trial, one_thread
from pthway.signature import BATCH, Dim, Input, Limit, Output, Signature

SAMPLES: Final = 3
"""Samples of a pass: with one or two, a folded batch could go unseen."""
OTHER_SAMPLES: Final = 5
STEPS: Final = (7, 11)
"""Two lengths of a sequence, prime so that no fold hides."""
TOO_SMALL: Final = ("kernel size", "output size is too small", "too small", "expected input's size", "must be greater than")
FOREIGN: Final = ("channels", "expected 2d", "expected 3d", "expected 4d", "expected 5d", "values to unpack")
"""What layers say of a wrong number of dimensions or channels, which no size can mend."""
GIVE_EXAMPLE: Final = "give one: pthway.wrap(module, example=x)"


@dataclass(frozen=True, slots=True)
class _Found:
    """A hypothesis that runs."""

    shape: tuple[Dim, ...]
    limits: Mapping[int, Limit]
    trial: tuple[int, ...]
    """A shape that runs, with `SAMPLES` samples."""
    notes: tuple[str, ...] = ()


@one_thread()
def infer(module: nn.Module) -> Signature:
    """The signature of *module*, as far as its layers and forward passes on the meta device tell.

    Reads no weights unless the forward pass itself depends on values; changes nothing of *module*. What is not found is None or
    empty, with the reason in the notes.
    """
    names, problem = parameter_names(module)
    unknown = tuple(Input(name, None, None) for name in names)
    if problem is not None:
        return Signature(unknown, notes=(problem,))
    try:
        trial = Trial(module)
    except Exception as cause:  # noqa: BLE001  # whatever the user's own attributes raise when they are copied
        return Signature(unknown, notes=(f"shapes unknown: the module cannot be copied to try it ({cause}); {GIVE_EXAMPLE}",))
    try:
        tried = [*hypotheses(module)]
        for settle in (partial(_settle, trial, module), partial(_settle_unequal, trial)):
            for hypothesis in tried:
                found = settle(hypothesis)
                if found is not None:
                    return _signature(trial, names[0], hypothesis, found)
    except Exhausted:
        return Signature(unknown, notes=(f"shapes unknown: the search for them takes too many forward passes; {GIVE_EXAMPLE}",))
    return Signature(unknown, notes=(f"shapes unknown: no input that its layers suggest runs; {GIVE_EXAMPLE}",))


def parameter_names(module: nn.Module) -> tuple[tuple[str, ...], str | None]:
    """The inputs of ``forward``, and why their shapes cannot be found."""
    kinds = inspect.Parameter
    try:
        parameters = [*inspect.signature(module.forward).parameters.values()]
    except (TypeError, ValueError):
        return ("input",), f"shapes unknown: its forward pass has no signature; {GIVE_EXAMPLE}"
    named = [each for each in parameters if each.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    required = [each.name for each in named if each.default is kinds.empty]
    required += [each.name for each in parameters if each.kind is kinds.KEYWORD_ONLY and each.default is kinds.empty]
    if len(required) > 1:
        return tuple(required), f"shapes unknown: the network takes several inputs ({', '.join(required)}); {GIVE_EXAMPLE}"
    if required or named:
        return (required[0] if required else named[0].name,), None
    if any(each.kind is kinds.VAR_POSITIONAL for each in parameters):
        return ("input",), None
    return (), "the network takes no input"


def _settle(trial: Trial, module: nn.Module, hypothesis: Hypothesis) -> _Found | None:
    match hypothesis.kind:
        case Kind.FIXED:
            sides = tuple(side for side in hypothesis.shape[1:] if isinstance(side, int))
            shape = (SAMPLES, *sides)
            return _Found(hypothesis.shape, {}, shape) if _answers(trial, hypothesis.dtype, shape, 0) else None
        case Kind.SPATIAL:
            return _settle_sizes(trial, hypothesis.dtype, hypothesis.shape)
        case Kind.SEQUENCE:
            return _settle_sequence(trial, module, hypothesis)


def _answers(trial: Trial, dtype: torch.dtype, shape: tuple[int, ...], batch: int) -> bool:
    """Whether as many answers come out as samples went in, for two numbers of samples."""
    shapes = [(count, (*shape[:batch], count, *shape[batch + 1 :])) for count in (SAMPLES, OTHER_SAMPLES)]
    return all(_judge(trial.run([each], [dtype]), count, batch) == 0 for count, each in shapes)


def _judge(result: Pass, count: int, batch: int) -> int | None:
    """0 if some output has a dimension for the *count* samples; otherwise on which side the size of a sample is off, if that shows."""
    if result.outputs is None:
        small = any(sign in result.reason.lower() for sign in TOO_SMALL)
        return result.direction or (-1 if small else None)
    # Where the batch is not the first dimension of the input, it may be any of the first ones of the output.
    if any(count in shape[: batch + 1] for shape in result.outputs.values()):
        return 0
    rows = max((shape[0] for shape in result.outputs.values() if shape), default=0)
    return (rows > count) - (rows < count) if rows else None


def _settle_sizes(trial: Trial, dtype: torch.dtype, shape: tuple[Dim, ...]) -> _Found | None:
    """Find the open sizes of *shape*, all of which are one number."""
    open_axes = [axis for axis, side in enumerate(shape) if isinstance(side, str) and side != BATCH]
    batch = shape.index(BATCH)

    def filled(size: int) -> tuple[int, ...]:
        return tuple(SAMPLES if side == BATCH else size if isinstance(side, str) else side for side in shape)

    if any(sign in trial.run([filled(64)], [dtype]).reason.lower() for sign in FOREIGN):
        return None
    sizes = Search(lambda size: _judge(trial.run([filled(size)], [dtype]), SAMPLES, batch), _range(trial, len(open_axes))).sizes()
    if sizes is None or not _answers(trial, dtype, filled(sizes.sample), batch):
        return None
    settled = tuple(sizes.chosen if axis in open_axes and sizes.chosen else side for axis, side in enumerate(shape))
    notes = _size_notes(sizes, [str(shape[axis]) for axis in open_axes])
    return _Found(settled, dict.fromkeys(open_axes, sizes.limit), filled(sizes.sample), notes)


def _settle_unequal(trial: Trial, hypothesis: Hypothesis) -> _Found | None:
    """Find height and width of images that are not square. Where several pairs run, both stay open: nothing tells which it was."""
    shape, batch = hypothesis.shape, 0
    if hypothesis.kind is not Kind.SPATIAL or sum(isinstance(side, str) for side in shape) != 3:  # noqa: PLR2004  # batch, height and width
        return None

    def filled(*sides: int) -> tuple[int, ...]:
        given = iter(sides)
        return tuple(SAMPLES if side == BATCH else next(given) if isinstance(side, str) else side for side in shape)

    pairs = unequal(lambda height, width: _judge(trial.run([filled(height, width)], [hypothesis.dtype]), SAMPLES, batch))
    pairs = [pair for pair in pairs if _answers(trial, hypothesis.dtype, filled(*pair), batch)]
    if not pairs:
        return None
    told = ", ".join(f"{height}×{width}" for height, width in pairs)
    if len(pairs) > 1:
        note = f"height×width: {told} run, and the weights do not tell which it was; {GIVE_EXAMPLE}"
        return _Found(shape, {}, filled(*pairs[0]), (note,))
    return _Found(
        (BATCH, *filled(*pairs[0])[1:]), {}, filled(*pairs[0]), (f"height×width {told}: of the usual sides this pair alone runs",)
    )


def _range(trial: Trial, sides: int) -> Range:
    range_ = LENGTHS if sides == 1 else IMAGES
    # Where passes compute, large inputs cost what a prediction with them costs.
    return replace(range_, beyond=None) if trial.computes else range_


def _size_notes(sizes: Sizes, names: Sequence[str]) -> tuple[str, ...]:
    if sizes.chosen is None:
        return ()
    many = " and ".join(names)
    square = f"; unequal {many} were not tried" if len(names) > 1 else ""
    if sizes.limit.low == sizes.limit.high:
        return (f"{many} {sizes.chosen}: no other size runs{square}",) if square else ()
    return (f"{many} {sizes.chosen}: {sizes.limit} run, and the weights do not tell which it was{square}",)


def _settle_sequence(trial: Trial, module: nn.Module, hypothesis: Hypothesis) -> _Found | None:
    """Find which of the first two dimensions is the batch, and which sizes the other may have."""
    rest, dtype = hypothesis.shape[2:], hypothesis.dtype
    fixed = tuple(side for side in rest if isinstance(side, int))
    base, more, longer = (
        trial.run([(*sides, *fixed)], [dtype]) for sides in ((SAMPLES, STEPS[0]), (OTHER_SAMPLES, STEPS[0]), (SAMPLES, STEPS[1]))
    )
    if base.outputs is None or more.outputs is None or longer.outputs is None:
        return _settle_sizes(trial, dtype, (BATCH, "length", *rest))
    notes: tuple[str, ...] = ()
    batch = batch_by_shape(base, more, longer)
    if batch is None:
        batch, notes = batch_by_influence(module, [(SAMPLES, STEPS[0], *fixed)], [dtype], [hypothesis.vocabulary or 2])
    if batch is None:
        return None
    found = _settle_sizes(trial, dtype, (BATCH, "length", *rest) if batch == 0 else ("length", BATCH, *rest))
    return replace(found, notes=(*found.notes, *notes)) if found is not None else None


def _signature(trial: Trial, name: str, hypothesis: Hypothesis, found: _Found) -> Signature:
    taken = Input(
        name,
        found.shape,
        str(hypothesis.dtype).removeprefix("torch."),
        found.limits,
        hypothesis.vocabulary,
        hypothesis.because,
    )
    limits = {(0, axis): limit for axis, limit in found.limits.items()}
    outputs = symbolic_outputs(trial, [found.shape], [found.trial], [hypothesis.dtype], limits)
    lost = tuple(
        f"{output.name} has no dimension for the samples: answers leave it out, model(x) gives it"
        for output in outputs
        if output.batch is None
    )
    return Signature((taken,), outputs, (*found.notes, *lost))


def symbolic_outputs(
    trial: Trial,
    shapes: Sequence[tuple[Dim, ...]],
    sizes: Sequence[tuple[int, ...]],
    dtypes: Sequence[torch.dtype],
    limits: Mapping[tuple[int, int], Limit],
) -> tuple[Output, ...]:
    """The outputs with names for the sizes that move with the inputs': each named dimension is changed once, to see what follows."""
    base = trial.run(sizes, dtypes)
    named: dict[str, list[Dim]] = {name: [*shape] for name, shape in (base.outputs or {}).items()}
    symbols = dict.fromkeys(side for shape in shapes for side in shape if isinstance(side, str))
    for symbol in symbols:
        places = [(which, axis) for which, shape in enumerate(shapes) for axis, side in enumerate(shape) if side == symbol]
        size = sizes[places[0][0]][places[0][1]]
        other = OTHER_SAMPLES if symbol == BATCH else _another(size, limits.get(places[0]))
        changed = [[*each] for each in sizes]
        for which, axis in places:
            changed[which][axis] = other
        result = trial.run([tuple(each) for each in changed], dtypes)
        for name, shape in (base.outputs or {}).items():
            after = (result.outputs or {}).get(name, ())
            for axis, (old, new) in enumerate(zip(shape, after, strict=False)):
                if old != new and len(shape) == len(after):
                    named[name][axis] = _relation(symbol, (size, old), (other, new)) if named[name][axis] == old else "varies"
    return tuple(Output(name, tuple(sides), base.dtypes[name]) for name, sides in named.items())


def _another(size: int, limit: Limit | None) -> int:
    step = 64 if limit is None or limit.high is None else 1
    step = max(step, limit.multiple if limit is not None else 1)
    return size + step if limit is None or limit.holds(size + step) else size - step


def _relation(symbol: str, first: tuple[int, int], second: tuple[int, int]) -> str:
    """How an output's size follows an input's, by two examples of (input's, output's)."""
    (size, old), (other, new) = first, second
    slope, remainder = divmod(new - old, other - size)
    if not remainder:
        factor = symbol if slope == 1 else f"{slope}*{symbol}"
        return factor if old == slope * size else f"{factor}{old - slope * size:+d}"
    return f"{symbol}/{size // old}" if old * other == new * size and size % old == 0 else f"f({symbol})"
