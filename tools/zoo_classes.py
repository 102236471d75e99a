"""Surveys the classes of transformers: names and sizes of their weights, as formulas in the settings of their configuration."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import torch
import transformers
import zoo_formulas
import zoo_settings
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion
from transformers.initialization import no_init_weights
from zoo_formulas import Observed
from zoo_survey import WithoutFills

from pthway.architecture.difference import BATCH_COUNTER
from pthway.architecture.zoo.formulas import Formula
from pthway.architecture.zoo.templates import STAR, starred

DEPTHS: Final = (zoo_settings.SHALLOW, 4, 8)
"""Numbers of layers that are tried until the network has every kind of layer that it has by default."""
EXPERTS: Final = 16
"""Experts of a layer that is surveyed."""
MOST: Final = 20_000
"""Tensors that may be made to survey one class, each build counted as `EACH` more; few classes need more than a tenth."""
EACH: Final = 100
CHECKS: Final = 2
"""Builds with many settings changed at once that every formula has to explain."""
ATTEMPTS: Final = 8
"""Combinations that are tried for these; many are refused by the class."""
Shapes = Mapping[str, tuple[int, ...]]
_renamed: dict[type, bool] = {}
"""Whether a class is saved under other names than its own."""
_shallows: dict[type, dict[str, int]] = {}
"""The numbers of layers of small networks, by configuration."""
_idle: dict[type, set[str]] = {}
"""Settings that changed nothing in a class of the same configuration: in others they are tried together first."""


class Refused(BaseException):
    """A class that cannot be surveyed, and why. No mishap of a build, so that it is not caught as one."""


class _Spent:
    """The tensors that were made for one class so far."""

    count = 0

    def add(self, more: int) -> None:
        """Count tensors. Raises `Refused` past `MOST`."""
        self.count += more
        if self.count > MOST:
            raise Refused(f"more than {MOST:,} tensors have to be made to survey it")


_spent = _Spent()


@dataclass(frozen=True, slots=True)
class Template:
    """The weights of one class."""

    name: str
    kind: str
    """The type of its configuration."""
    lines: tuple[str, ...]
    tied: frozenset[str]
    """Names, with every index a star, that are other names of tensors of the network: files may lack them."""
    settings: Mapping[str, object]
    """The settings of the configuration with the library's values."""
    saved: bool
    """Whether these are the names that ``save_pretrained`` writes, which differ from the class's own."""


class Build(NamedTuple):
    """One build."""

    settings: Mapping[str, int]
    """Those that may decide sizes, all of them."""
    own: Shapes
    """As ``state_dict()`` names them."""
    saved: Shapes
    """As ``save_pretrained`` writes them: under the names of the release that the network was published with. Empty where it cannot."""
    tied: frozenset[str]
    """Own names that are other names of tensors of the network."""


@cache
def classes() -> dict[str, type[PreTrainedModel]]:
    """Return every class of the library that has weights and a configuration of its own, by name."""
    found = {}
    for name in sorted(dir(transformers)):
        if not name[0].isupper() or name.endswith("PreTrainedModel"):
            continue
        kind = getattr(transformers, name)
        if isinstance(kind, type) and issubclass(kind, PreTrainedModel) and isinstance(kind.config_class, type):
            found[name] = kind
    return found


def survey(name: str) -> list[Template]:
    """Return the templates of one class: of its own names, and of those that it is saved under where these differ.

    Raises `Refused` with the reason.
    """
    built, _spent.count = classes()[name], 0
    kind: type[PreTrainedConfig] = built.config_class
    try:
        settings = zoo_settings.defaults(kind)
        sizes = zoo_settings.sized(settings)
        shallow = _shallow(kind, built)
        base = _build(built, sizes, shallow)
    except Exception as cause:
        raise Refused(f"its default configuration is refused with {type(cause).__name__}") from cause
    if not base.own:
        raise Refused("it has no weights")
    singles = _singles(built, base, shallow)
    checks = _checks(built, base, shallow, singles)
    lines = _template(base, singles, checks, lambda build: build.own)
    own = Template(name, kind.model_type, lines, _stars(base.tied), settings, saved=False)
    if not base.saved:
        return [own]
    lines = _template(base, singles, checks, lambda build: build.saved)
    return [own, Template(name, kind.model_type, lines, _stars(_tied_as_saved(built, base, shallow)), settings, saved=True)]


def _stars(names: Iterable[str]) -> frozenset[str]:
    return frozenset(starred(name.split(".")) for name in names)


# --- builds -----------------------------------------------------------------------------------------------------------


def _build(built: type[PreTrainedModel], sizes: Mapping[str, int], changes: Mapping[str, int]) -> Build:
    module = _module(built, changes)
    state = module.state_dict()
    _spent.add(len(state))
    tied = frozenset(getattr(module, "all_tied_weights_keys", None) or ())
    return Build({**sizes, **changes}, _shapes(state), _saved(module, state) if _is_renamed(built, module) else {}, tied)


def _module(built: type[PreTrainedModel], changes: Mapping[str, int]) -> PreTrainedModel:
    _spent.add(EACH)
    configured = zoo_settings.configuration(built.config_class, changes)
    with torch.device("meta"), WithoutFills(), no_init_weights():
        return built(configured)


def _is_renamed(built: type[PreTrainedModel], module: PreTrainedModel) -> bool:
    if built not in _renamed:
        state = module.state_dict()
        _renamed[built] = _saved(module, state).keys() != _shapes(state).keys()
    return _renamed[built]


def _saved(module: PreTrainedModel, state: Mapping[str, torch.Tensor]) -> Shapes:
    """Return what ``save_pretrained`` writes of *state*; nothing where its conversion looks at numbers."""
    try:
        with torch.device("meta"):
            return _shapes(revert_weight_conversion(module, dict(state)))
    except Exception:  # noqa: BLE001 - a conversion of any kind
        return {}


def _tied_as_saved(built: type[PreTrainedModel], base: Build, shallow: Mapping[str, int]) -> frozenset[str]:
    module = _module(built, shallow)
    kept = {name: value for name, value in module.state_dict().items() if name not in base.tied}
    return frozenset(base.saved.keys() - _saved(module, kept).keys())


def _shapes(state: Mapping[str, torch.Tensor]) -> Shapes:
    counted = (item for item in state.items() if item[0].rpartition(".")[2] != BATCH_COUNTER and hasattr(item[1], "shape"))
    return {name: tuple(value.shape) for name, value in counted}


def _shallow(kind: type[PreTrainedConfig], built: type[PreTrainedModel]) -> dict[str, int]:
    if kind not in _shallows:
        _shallows[kind] = _made_shallow(built)
    return _shallows[kind]


def _made_shallow(built: type[PreTrainedModel]) -> dict[str, int]:
    """Return the numbers of layers of a small network that has every kind of layer of the default one.

    All are made small at once; where the class refuses that or lacks something then, one after the other.
    """
    settings = zoo_settings.defaults(built.config_class)
    sizes = zoo_settings.sized(settings)
    wanted = _stars(_shapes(_module(built, {}).state_dict()))

    def complete(changes: Mapping[str, int]) -> bool:
        try:
            return _stars(_shapes(_module(built, changes).state_dict())) == wanted
        except Exception:  # noqa: BLE001 - the class refuses this depth
            return False

    def few_experts(changes: Mapping[str, int]) -> dict[str, int]:
        """Return *changes* with few experts besides: most are saved one by one, and there may be hundreds in a layer."""
        for name, value in sizes.items():
            if "experts" in name and value > EXPERTS and complete({**changes, name: EXPERTS}):
                changes = {**changes, name: EXPERTS}
        return dict(changes)

    deep = {name: value for name, value in sizes.items() if zoo_settings.is_depth(name) and value > zoo_settings.SHALLOW}
    for depth in DEPTHS:
        changes = {name: min(value, depth) for name, value in deep.items()}
        if complete(changes):
            return few_experts(changes)
    changes = {}
    for name, value in deep.items():
        fewer = (depth for depth in DEPTHS if depth < value and complete({**changes, name: depth}))
        changes[name] = next(fewer, value)
    return few_experts(changes)


def _singles(built: type[PreTrainedModel], base: Build, shallow: Mapping[str, int]) -> dict[str, Build]:
    """Return for each setting that changes any weight a build in which it alone is changed."""

    def changed(names: Sequence[str]) -> Build | None:
        """Return a build with these settings changed; None where the class refuses all values that are tried."""
        for attempt in range(3):
            try:
                return _build(built, base.settings, {**shallow, **{name: _other(base, name, attempt) for name in names}})
            except Exception:  # noqa: BLE001 - the class refuses this value
                continue
        return None

    def halved(names: Sequence[str]) -> Iterator[tuple[str, Build]]:
        found = changed(names) if names else None
        differs = found is not None and (found.own, found.saved) != (base.own, base.saved)
        if len(names) == 1 and found is not None and differs:
            yield names[0], found
        elif len(names) > 1 and (differs or found is None):
            middle = len(names) // 2
            yield from halved(names[:middle])
            yield from halved(names[middle:])

    idle = _idle.setdefault(built.config_class, set())
    together = [name for name in base.settings if name in idle]
    singles = dict(halved(together))
    for name in base.settings:
        if name not in idle:
            singles |= dict(halved([name]))
    idle |= base.settings.keys() - singles.keys()
    return singles


def _other(base: Build, name: str, attempt: int) -> int:
    value = base.settings[name]
    return value + 1 + attempt if zoo_settings.is_depth(name) else (2 * value, 3 * value, value + 1)[attempt]


def _checks(
    built: type[PreTrainedModel],
    base: Build,
    shallow: Mapping[str, int],
    singles: Mapping[str, Build],
) -> list[Build]:
    """Return builds with many settings changed, first all of them, then samples of two thirds and of one third."""
    chance = random.Random(0)  # the same ones each time
    found: list[Build] = []
    names = sorted(name for name, single in singles.items() if single.own.keys() >= base.own.keys())
    for attempt in range(ATTEMPTS if names else 0):
        share = (3, 2, 2, 2, 1, 1, 1, 1)[attempt]
        chosen = chance.sample(names, (len(names) * share + 2) // 3)
        changes = {name: base.settings[name] + 2 if zoo_settings.is_depth(name) else 3 * base.settings[name] for name in chosen}
        try:
            build = _build(built, base.settings, {**shallow, **changes})
        except Exception:  # noqa: BLE001 - the class refuses this combination
            continue
        if build.own.keys() >= base.own.keys() and _stars(build.own) == _stars(base.own):
            found.append(build)
        if len(found) == CHECKS:
            break
    return found


# --- names ------------------------------------------------------------------------------------------------------------


def _containers(names: Iterable[str]) -> dict[str, int]:
    """Return for each prefix that numbers follow the largest of them and one."""
    found: dict[str, int] = {}
    for name in names:
        parts = name.split(".")
        for at, part in enumerate(parts):
            if part.isdigit():
                prefix = ".".join(parts[:at])
                found[prefix] = max(found.get(prefix, 0), int(part) + 1)
    return found


def _growth(base: Shapes, singles: Iterable[Shapes]) -> dict[str, str]:
    """Return the prefixes whose numbers a setting decides, with stars for numbers → one of them as it stands."""
    before = _containers(base)
    grown = set()
    for found in singles:
        after = _containers(found)
        grown |= {prefix for prefix, count in before.items() if after.get(prefix, count) > count}
    starry: dict[str, str] = {}
    for prefix in sorted(grown, key=lambda prefix: (prefix.count("."), prefix)):
        starry.setdefault(_collapsed(prefix, starry), prefix)
    return starry


def _collapsed(name: str, growth: Mapping[str, str]) -> str:
    """Return *name* with a star for each number that a setting decides the range of."""
    parts: list[str] = []
    for part in name.split("."):
        parts.append(STAR if part.isdigit() and ".".join(parts) in growth else part)
    return ".".join(parts)


# --- lines ------------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads formulas off the builds; the same sizes throughout give the same formula."""

    def __init__(self, base: Build, singles: Mapping[str, Build], checks: Sequence[Build]) -> None:
        self.base = base.settings
        self.singles = {name: found.settings[name] for name, found in singles.items()}
        self.checks = [build.settings for build in checks]
        self.found: dict[tuple[int, ...], Formula] = {}
        self.opened: Counter[str] = Counter()

    def formula(self, sizes: tuple[int, ...]) -> Formula:
        """Return the formula of one size, which it has in all builds in their order."""
        if sizes not in self.found:
            count = 1 + len(self.singles)
            single = {name: size for name, size in zip(self.singles, sizes[1:count], strict=True) if size != sizes[0]}
            found = zoo_formulas.formula(Observed(sizes[0], single, sizes[count:]), self.base, self.singles, self.checks)
            if found.open is not None:
                self.opened[found.open] += 1
                found = found._replace(open=f"{found.open}#{self.opened[found.open]}")
            self.found[sizes] = found
        return self.found[sizes]


def _template(base: Build, singles: Mapping[str, Build], checks: Sequence[Build], view: Callable[[Build], Shapes]) -> tuple[str, ...]:
    """Return the lines of a class, as `pthway.architecture.zoo.templates` describes them."""
    growth = _growth(view(base), map(view, singles.values()))
    keys = {name: _collapsed(name, growth) for name in view(base)}
    known = set(keys.values())

    def regular(build: Build) -> bool:
        same = view(build).keys() >= keys.keys() and {_collapsed(name, growth) for name in view(build)} == known
        return same and all(len(shape) == len(view(build)[name]) for name, shape in view(base).items())

    singles = {name: build for name, build in singles.items() if regular(build)}
    growth = _growth(view(base), map(view, singles.values()))
    keys = {name: _collapsed(name, growth) for name in view(base)}
    kept = [base, *singles.values(), *(build for build in checks if regular(build))]
    reader = _Reader(base, singles, kept[1 + len(singles) :])
    ranges = [_containers(view(build)) for build in kept]
    counts = {prefix: (ranges[0][own], reader.formula(tuple(each[own] for each in ranges))) for prefix, own in growth.items()}
    lines: Counter[tuple[str, str]] = Counter()
    for name, key in keys.items():
        sizes = zip(*(view(build)[name] for build in kept), strict=True)
        lines[key, ",".join(str(reader.formula(each)) for each in sizes) or "-"] += 1
    return tuple(_line(key, shape, count, counts) for (key, shape), count in lines.items())


def _line(key: str, shape: str, count: int, counts: Mapping[str, tuple[int, Formula]]) -> str:
    total, parts, plain = 1, list[str](), list[str]()
    for part in key.split("."):
        size, formula = counts.get(".".join(plain), (1, None)) if part == STAR else (1, None)
        total *= size
        parts.append(part if formula is None else f"{{{formula}}}")
        plain.append(part)
    return f"{'.'.join(parts)} {shape}" + (" ~" if count < total else "")
