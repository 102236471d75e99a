"""A weights file, open: what it is, who made it, whether it is safe, and its tensors."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pthway import _lazy
from pthway.checkpoint import noted
from pthway.checkpoint.collector import collector_paused
from pthway.checkpoint.plain import Plain
from pthway.checkpoint.prefixes import unwrapped
from pthway.checkpoint.safety import Safety, judge
from pthway.checkpoint.state_dicts import StateDict, find, module_versions
from pthway.errors import AmbiguousWeights, NoWeights, UsageError
from pthway.formats import Container, open_container
from pthway.formats.tensors import AnyTensor

if TYPE_CHECKING:
    import numpy as np

    from pthway.checkpoint.convert import Converted, Precision
    from pthway.checkpoint.meter import Progress


@final
class StoredTensor:
    """A tensor in the file; its data is read when it is asked for."""

    __slots__ = ("container", "name", "spec")

    def __init__(self, name: str, spec: AnyTensor, container: Container) -> None:
        self.name, self.spec, self.container = name, spec, container

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each dimension."""
        return self.spec.shape

    @property
    def dtype(self) -> str:
        """Element type by torch's short name, such as ``float32``."""
        return self.spec.dtype

    def numpy(self) -> "np.ndarray[Any, np.dtype[Any]]":
        """The tensor as a read-only array: a view of the file where it can be mapped.

        bfloat16 and float8 have the types of ml_dtypes. Raises `CorruptFile` if the bytes are not those that were
        saved, `UnreadableFile` for a kind of tensor that numpy lacks.
        """
        array: np.ndarray[Any, np.dtype[Any]] = _lazy.load("pthway.checkpoint.arrays:array")(self.container, self.spec, self.name)
        return array

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype} {list(self.shape)}"


@final
class Checkpoint:
    """A weights file, described without running anything in it.

    ``checkpoint["fc1.weight"]`` is a `StoredTensor` of the file's one state dict; if it has several, choose with `choose`.
    """

    __slots__ = ("container", "extras", "safety", "state_dicts")

    def __init__(self, container: Container, state_dicts: tuple[StateDict, ...], extras: Mapping[str, object], safety: Safety) -> None:
        self.container = container
        self.state_dicts = state_dicts
        """All that were found, wrappers undone, in file order."""
        self.extras = extras
        """Everything else in the file as plain data, by its path: epoch, metrics, settings, optimizer."""
        self.safety = safety

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.container.path

    @property
    def origin(self) -> tuple[str, ...]:
        """Which programs made it, as far as its content tells; each a sentence with its evidence."""
        found: tuple[str, ...] = _lazy.load("pthway.checkpoint.origin:origin")(self.container.parts, self.state_dicts)
        return found

    def choose(self, weights: str | None = None) -> StateDict:
        """The state dict that *weights* names, or the only one.

        *weights* is the path in the file (``model_ema``), its last part, or ``"ema"`` or ``"raw"``. Raises `NoWeights`,
        `AmbiguousWeights` with the list when more than one fits, or `UsageError` when none has that name.
        """
        if not self.state_dicts:
            raise NoWeights(
                f"{self.path} holds no state dict, but {_described(self.extras)}.",
                "A state dict is a dictionary from names to tensors.",
                f"See what is in it: pthway inspect {self.path}",
            )
        fits = self.named(weights) if weights is not None else self.state_dicts
        if len(fits) > 1:
            raise ambiguous(self.path, fits)
        return fits[0]

    def named(self, weights: str) -> tuple[StateDict, ...]:
        """The state dicts that *weights* may mean: those of that path, else of that last part, else of that kind."""
        lists = (
            [state for state in self.state_dicts if state.path == weights],
            [state for state in self.state_dicts if state.path.rpartition(".")[2] == weights],
            [state for state in self.state_dicts if weights in ("ema", "raw") and state.averaged == (weights == "ema")],
        )
        found = next((fits for fits in lists if fits), [])
        if not found:
            raise UsageError(
                f"{self.path} has no weights named {weights!r}.",
                "It holds " + "; ".join(str(state) for state in self.state_dicts) + ".",
                f"Choose one of: {', '.join(repr(state.path) for state in self.state_dicts)}",
            )
        return tuple(found)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        weights: str | None = None,
        precision: "Precision | None" = None,
        progress: "Progress | None" = None,
    ) -> "Converted":
        """Write the chosen state dict as ``.safetensors``, ``.npz`` or a plain ``.pth``, and return what was done.

        Needs neither torch nor the network's class. See `pthway.checkpoint.convert.convert` for the promises and errors.
        """
        convert = _lazy.load("pthway.checkpoint.convert:convert")
        written: Converted = convert(self, path, weights=weights, precision=precision, progress=progress)
        return written

    def __getitem__(self, name: str) -> StoredTensor:
        state = self.choose()
        if name not in state.tensors:
            difflib = _lazy.load("difflib")
            near = difflib.get_close_matches(name, state.tensors, n=3)
            raise UsageError(
                f"{self.path} has no tensor named {name!r}.",
                f"It has {len(state.tensors)}: {', '.join(list(state.tensors)[:3])}, …",
                f"Did you mean {' or '.join(map(repr, near))}?" if near else f"See the names: pthway inspect {self.path} --tensors",
            )
        return StoredTensor(name, state.tensors[name], self.container)

    def __iter__(self) -> Iterator[str]:
        return iter(self.choose().tensors)

    def __len__(self) -> int:
        return len(self.choose().tensors)

    def __str__(self) -> str:
        text: str = _lazy.load("pthway.checkpoint.summary:summary")(self)
        return text

    def _repr_html_(self) -> str:
        """What a notebook shows; like ``str``, it reads none of the weights' bytes."""
        text: str = _lazy.load("pthway.checkpoint.page.notebook:notebook")(self)
        return text


@collector_paused
def open_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Open a weights file without torch and without executing anything in it.

    None of the weights' bytes are read. Raises the errors under `UnreadableFile`, or `MissingFile`.
    """
    container = open_container(path)
    found, extras = find(container.parts.root)
    beside = dict(container.parts.beside)
    if (kept := noted.read(beside, noted.EXTRAS)) is not None:
        del beside[noted.EXTRAS]
        beside = {str(name): value for name, value in kept.pairs} | beside
    if (versions := module_versions(noted.read(beside, noted.METADATA))) is not None:
        del beside[noted.METADATA]
        found = [state._replace(metadata=state.metadata or versions) for state in found]
    shown = Plain()
    extras |= {name: shown.of(value) for name, value in beside.items() if name not in extras}
    return Checkpoint(container, tuple(unwrapped(state) for state in found), extras, judge(container.parts))


def ambiguous(path: Path, fits: tuple[StateDict, ...]) -> AmbiguousWeights:
    """The error that lists several state dicts and says how to choose."""
    listed = "".join(f"\n    {state}{'  (averaged)' if state.averaged else ''}" for state in fits)
    short = "ema" if sum(state.averaged for state in fits) == 1 else fits[-1].path
    return AmbiguousWeights(
        f"{path} holds {len(fits)} sets of weights that fit:{listed}",
        "Raw and averaged weights, or two networks, give different answers; which one is wanted cannot be seen from the file.",
        f'pass weights="{short}", or --weights {short} on the command line (any path above works)',
    )


def _described(extras: Mapping[str, object]) -> str:
    shown = [f"{ascii(path)[1:-1]}: {str(value)[:60]}" for path, value in list(extras.items())[:4]]
    return "; ".join(shown) or "nothing"
