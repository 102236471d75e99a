"""State dicts, wherever they are nested in a file."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

from pthway.checkpoint.modules import Module, module_tensors, module_tree, pickled_module
from pthway.checkpoint.plain import MAX_SHOWN, Plain
from pthway.errors import CorruptFile, LimitExceeded
from pthway.formats import limits
from pthway.formats.tensors import AnyTensor, CompositeSpec, TensorSpec
from pthway.formats.values import Opaque, PickledDict, is_sequence

WEIGHT_KEYS: Final = frozenset((
    "state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params", "params_ema",
    "params-ema", "state_dict_ema", "model_ema", "ema", "ema_model", "ema_state_dict", "generator",
    "discriminator", "netG", "netD", "g_ema", "g", "d", "G", "D", "encoder", "decoder", "student", "teacher",
    "target_network", "online_network", "backbone", "base_encoder", "actor", "critic", "policy",
    "model_state", "state", "checkpoint", "best_model", "net_state_dict", "model_weights",
))  # fmt: skip
"""Keys under which training programs put weights."""

_NOT_WEIGHTS: Final = re.compile(r"optim|sched|scaler|(^|_)rng|(^|_)amp($|_)|hyper_param|(^|_)args?$|(^|_)config$|callbacks|loops", re.I)
"""Keys under which they put something else that can hold tensors."""

_AVERAGED: Final = re.compile(r"(^|[^a-z])(ema|swa|averaged|shadow)([^a-z]|$)", re.I)

_COMPETES: Final = 0.5
"""A state dict under a key that nobody knows counts beside one under a known key from this share of its tensors on."""


_T = TypeVar("_T")


class Rename(NamedTuple):
    """A rule by which names were changed; it can be undone by putting *prefix* back."""

    prefix: str
    names: int
    """How many names had it."""
    because: str

    def __str__(self) -> str:
        what = f"{self.prefix!r} taken off {self.names} names" if self.prefix else f"{self.names} names changed"
        return f"{what}: {self.because}"


class StateDict(NamedTuple):
    """The named tensors of one network."""

    path: str
    """Where it stands in the file, such as ``model_ema``; empty if it is the file."""
    tensors: Mapping[str, AnyTensor]
    """By the names that the network uses, in file order."""
    keys: Mapping[str, str]
    """Name → key in the file, for every tensor."""
    renames: tuple[Rename, ...] = ()
    left_out: Mapping[str, str] | None = None
    """Key in the file → why it is not among the tensors."""
    metadata: Mapping[str, Mapping[str, object]] | None = None
    """What ``Module.state_dict()`` notes of each module: path → ``{"version": …}``. None if it was stripped."""
    modules: Mapping[str, Module] | None = None
    """The pickled modules that hold the tensors, by path; None if they are in a dictionary."""

    @property
    def module(self) -> str | None:
        """The class of the pickled module that holds the tensors, if it is one."""
        return self.modules[""].kind if self.modules else None

    @property
    def averaged(self) -> bool:
        """Whether the path says that these are averaged (EMA, SWA) rather than raw weights."""
        return _AVERAGED.search(self.path) is not None

    @property
    def elements(self) -> int:
        """Number of numbers in all tensors."""
        return sum(tensor.elements for tensor in self.tensors.values())

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def __str__(self) -> str:
        return f"{self.path or 'the whole file'}: {len(self.tensors):,} tensors, {self.elements:,} numbers, {self.nbytes:,} bytes"

    def renamed(self, change: Callable[[str], str], rule: Rename) -> "StateDict":
        """The same with every name changed. Raises `CorruptFile` when two names become one."""
        names = [change(name) for name in self.tensors]
        if len(set(names)) != len(names):
            raise CorruptFile(
                f"Taking {rule.prefix!r} off the names of {self.path or 'the file'} makes two of them equal.",
                "The file holds two tensors for one place of the network.",
                "Save the state dict again under names that differ.",
            )

        def moved(by_path: Mapping[str, _T] | None) -> dict[str, _T] | None:
            return None if by_path is None else {change(f"{path}.").removesuffix("."): of for path, of in by_path.items()}

        return self._replace(
            tensors=dict(zip(names, self.tensors.values(), strict=True)),
            keys=dict(zip(names, self.keys.values(), strict=True)),
            renames=(*self.renames, rule),
            metadata=moved(self.metadata),
            modules=moved(self.modules),
        )


def find(root: object) -> tuple[list[StateDict], dict[str, object]]:
    """The state dicts in *root* in file order, and everything else as plain data by its path."""
    finder = _Finder()
    finder.walk(root, "", 0)
    if finder.hidden:
        finder.rest["…"] = f"{finder.hidden:,} more"
    return _plausible(finder.found, finder.rest)


_WALKED: Final = (TensorSpec, CompositeSpec, PickledDict, Opaque, list, tuple)
"""What may be, or hold, a tensor."""


class _Finder:
    """A walk over inert values, each visited once however often the file refers to it."""

    def __init__(self) -> None:
        self.seen: dict[int, str] = {}
        self.flat: set[int] = set()
        """Lists that hold neither dictionaries nor objects."""
        self.found: list[StateDict] = []
        self.rest: dict[str, object] = {}
        self.hidden = 0
        """How much is not in *rest*, which is full."""
        self.plain = Plain()
        self.noted: dict[int, Mapping[str, Mapping[str, object]] | None] = {}
        """What was read of each ``_metadata``, which several state dicts may share."""

    def note(self, path: str, value: object, depth: int = 8) -> None:
        """Keep what is not weights under its path, as plain data."""
        self.plain.left -= len(path)
        shown = self.plain.of(value, depth)
        if self.plain.left < 0:
            self.hidden += 1
        else:
            self.rest[path] = shown

    def add(self, state: StateDict) -> None:
        """Keep a state dict. Raises `LimitExceeded`."""
        self.found.append(state)
        if len(self.found) > limits.MAX_STATE_DICTS:
            raise LimitExceeded(
                f"The file holds more than {limits.MAX_STATE_DICTS:,} dictionaries of tensors.",
                "Honest ones hold one of each network, and one of each parameter for an optimizer.",
                "Check the file's origin.",
            )

    def below(self, path: str, key: object) -> str:
        """The path of an entry."""
        name = key[: limits.MAX_KEY_LENGTH] if isinstance(key, str) else str(self.plain.of(key, 2))
        return f"{path}.{name}" if path else name

    def walk(self, value: object, path: str, depth: int) -> int:
        """Collect the state dicts at and below *value*, and note the rest; the number of tensors of the largest."""
        if depth > limits.MAX_DEPTH or len(path) > limits.MAX_PATH:
            self.note(path[: limits.MAX_PATH], "<nested too deep to be looked at>")
        elif isinstance(value, PickledDict | Opaque) and id(value) in self.seen:
            self.note(path, f"<the same object as {self.seen[id(value)] or 'the file'}>")
        elif isinstance(value, Opaque) and isinstance(value.state, PickledDict) and id(value.state) in self.seen:
            self.note(path, f"<an object like {self.seen[id(value.state)] or 'the file'}>")
        elif module := pickled_module(value):
            self.seen[id(value)] = path
            tree = module_tree(module)
            self.add(_state_dict(path, module_tensors(tree), {}, modules=tree))
            return len(self.found[-1].tensors)
        elif path and _NOT_WEIGHTS.search(path.rpartition(".")[2]):
            self.note(path, value, 4)
        elif isinstance(value, PickledDict):
            self.seen[id(value)] = path
            return self.walk_dictionary(value, path, depth)
        elif isinstance(value, Opaque):
            self.seen[id(value)] = self.seen[id(value.state)] = path
            if isinstance(value.state, PickledDict) and holds_tensors(value.state, depth):
                return self.walk_dictionary(value.state, path, depth)
            self.note(path or "(the file)", value)
        elif is_sequence(value) and self.holds_dictionaries(value):
            return max([self.walk(entry, self.below(path, str(index)), depth + 1) for index, entry in enumerate(value[:MAX_SHOWN])])
        else:
            self.note(path or "(the file)", value)
        return 0

    def may_hold_weights(self, value: object) -> bool:
        """Whether a value is a tensor, or is to be walked for those inside it."""
        if isinstance(value, PickledDict):
            return any(isinstance(held, _WALKED) for _, held in value.pairs)
        return isinstance(value, _WALKED) and id(value) not in self.flat

    def holds_dictionaries(self, value: list[object] | tuple[object, ...]) -> bool:
        """Whether a list that was not walked yet holds dictionaries or objects."""
        if id(value) in self.flat:
            return False
        self.flat.add(id(value))
        return any(isinstance(entry, PickledDict | Opaque) for entry in value[:MAX_SHOWN])

    def walk_dictionary(self, value: PickledDict, path: str, depth: int) -> int:
        """Collect below a dictionary first: if nothing larger is found there, its own tensors are the state dict."""
        own = [(key, tensor) for key, tensor in value.pairs if isinstance(key, str) and isinstance(tensor, TensorSpec | CompositeSpec)]
        before = len(self.found)
        largest = 0
        for key, entry in value.pairs:
            if self.plain.left < 0 and not self.may_hold_weights(entry):
                self.hidden += 1  # nothing more is shown, and nothing is to be found
            elif not isinstance(entry, TensorSpec | CompositeSpec):
                largest = max(largest, self.walk(entry, self.below(path, key), depth + 1))
            elif not isinstance(key, str):
                self.note(self.below(path, key), entry)
        if len(own) > largest:
            left_out = self.left_out(value, path)
            for state in self.found[before:]:
                left_out[state.path] = f"{len(state.tensors)} tensors in a dictionary of their own"
            del self.found[before:]
            noted = value.state.get("_metadata") if isinstance(value.state, PickledDict) else None
            versions = self.versions(noted)
            if noted is not None and versions is None:
                left_out["_metadata"] = "not what Module.state_dict() notes of its modules"
            self.add(_state_dict(path, own, left_out, metadata=versions))
            return len(own)
        for key, tensor in own:
            self.note(self.below(path, key), tensor)
        return largest

    def versions(self, noted: object) -> Mapping[str, Mapping[str, object]] | None:
        """What is noted of each module, read once."""
        if id(noted) not in self.noted:
            self.noted[id(noted)] = module_versions(noted)
        return self.noted[id(noted)]

    def left_out(self, value: PickledDict, path: str) -> dict[str, str]:
        """What a state dict holds beside its tensors. Raises `CorruptFile` for a tensor whose name is no text: it could not be loaded."""
        left_out = {}
        for key, entry in value.pairs:
            shown = key if isinstance(key, str) else str(self.plain.of(key, 2))
            if not isinstance(entry, TensorSpec | CompositeSpec):
                left_out[shown] = "not a tensor"
            elif not isinstance(key, str):
                raise CorruptFile(
                    f"The state dict {path or 'of the file'} holds a tensor under a key that is no text: {shown[:80]}.",
                    "The others have names, and this one belongs to no part of a network.",
                    "Save the state dict again, with a name for every tensor.",
                )
        return left_out


def holds_tensors(value: PickledDict, depth: int) -> bool:
    """Whether tensors, or dictionaries that may hold them, are among the values."""
    return depth <= limits.MAX_DEPTH and any(isinstance(v, TensorSpec | CompositeSpec | PickledDict | Opaque) for _, v in value.pairs)


def _state_dict(
    path: str,
    pairs: list[tuple[str, AnyTensor]],
    left_out: dict[str, str],
    metadata: Mapping[str, Mapping[str, object]] | None = None,
    modules: Mapping[str, Module] | None = None,
) -> StateDict:
    tensors = dict(pairs)
    if len(tensors) != len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise CorruptFile(
            f"The state dict {path or 'of the file'} holds the key {twice!a} twice.",
            "Python would keep the last one without a word; which one was meant cannot be known.",
            "Save the state dict again.",
        )
    if sum(map(len, tensors)) > limits.MAX_NAME_CHARACTERS:
        raise LimitExceeded(
            f"The names of {path or 'the state dict'} are too long together.",
            f"At most {limits.MAX_NAME_CHARACTERS:,} characters are read; 100,000 tensors need about 10 million.",
            "Check the file's origin.",
        )
    longest = max(tensors, key=len, default="")
    if len(longest) > limits.MAX_KEY_LENGTH:
        raise LimitExceeded(
            f"A tensor's name has {len(longest):,} characters.", f"At most {limits.MAX_KEY_LENGTH} are read.", "Check the file's origin."
        )
    return StateDict(path, tensors, {name: name for name in tensors}, left_out=left_out, metadata=metadata, modules=modules)


def module_versions(noted: object) -> Mapping[str, Mapping[str, object]] | None:
    """What ``Module.state_dict()`` notes of each module in its ``_metadata``; None for anything else."""
    if not isinstance(noted, PickledDict) or len(noted) > limits.MAX_MODULES:
        return None
    shown = Plain()
    entries = [(path, shown.of(of, 2)) for path, of in noted.pairs if isinstance(path, str)]
    if shown.left < 0:
        raise LimitExceeded(
            "The notes on the modules of a state dict are too long.", "Each holds a version number.", "Check the file's origin."
        )
    return {path: of for path, of in entries if isinstance(of, dict)}


def _plausible(found: list[StateDict], rest: dict[str, object]) -> tuple[list[StateDict], dict[str, object]]:
    """State dicts under keys that name weights, and others only where they are as large."""
    known = [state for state in found if _known(state)]
    bar = _COMPETES * max((len(state.tensors) for state in known), default=0)
    chosen = []
    for state in found:
        if _known(state) or len(state.tensors) >= max(bar, 1):
            chosen.append(state)
        else:
            rest[state.path] = f"<{len(state.tensors)} tensors, beside the weights>"
    return chosen, rest


def _known(state: StateDict) -> bool:
    last = state.path.rpartition(".")[2]
    return not state.path or state.modules is not None or last in WEIGHT_KEYS or state.averaged
