"""Finds the causes of a difference: prefix, depth, other names, other widths, parts that one side lacks. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pthway.architecture.difference import Difference, Shape, Shaped
from pthway.architecture.variants import NAMES, Written, treated, written

ENOUGH: Final = 0.5
"""A prefix or renaming is a cause if undoing it makes at least this share of the keys without a partner fit."""
_NUMBERED: Final = re.compile(r"(?<=\.)\d+(?=\.|$)")
_AUXILIARY: Final = re.compile(r"(^|[._])aux(iliary)?($|[._\d])", re.IGNORECASE)
CONVOLUTION: Final = 3
"""Fewest dimensions of a convolution's weight: out, in, and one length."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for which keys do not fit."""

    text: str
    keys: frozenset[str]
    """The keys it accounts for; one name may stand for the missing and the unexpected side."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """What would undo it: names, or prefixes that end with a dot, from the checkpoint's to the class's."""


@dataclass(slots=True)
class _Open:
    """The keys that no cause accounts for yet, with both sides at hand."""

    expected: Mapping[str, Shape]
    found: Mapping[str, Shaped]
    name: str
    missing: dict[str, tuple[int, ...]]
    unexpected: dict[str, tuple[int, ...]]
    differing: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    tolerated: dict[str, tuple[int, ...]]
    """Absent without fault; where the checkpoint has them under another name, they go with the rest."""

    @property
    def absent(self) -> dict[str, tuple[int, ...]]:
        gone = self.missing.keys() | self.tolerated.keys()
        return {key: shape.shape for key, shape in self.expected.items() if key in gone}

    def take(self, cause: Cause) -> Cause:
        for side in (self.missing, self.unexpected, self.differing, self.tolerated):
            for key in cause.keys & side.keys():
                del side[key]
        return cause


def find_causes(expected: Mapping[str, Shape], found: Mapping[str, Shaped], difference: Difference, name: str) -> list[Cause]:
    """Return the causes of *difference*, most telling first; together they account for each of its keys exactly once.

    *name* is what the class is called in the texts.
    """
    left = _Open(
        expected,
        found,
        name,
        {key: expected[key].shape for key in difference.missing},
        {key: found[key].shape for key in difference.unexpected},
        dict(difference.differing),
        {key: expected[key].shape for key in difference.tolerated},
    )
    steps = (_prefixes, _forms, _treatments, _depths, _renames, _successors, _widths, _parts)
    return [cause for step in steps for cause in step(left)]


# --- one side has a prefix --------------------------------------------------------------------------------------------


def _prefixes(left: _Open) -> Iterator[Cause]:
    prefix, pairs = _best_prefix(left.unexpected, left.absent)
    if pairs:
        text = f"{len(pairs)} keys of the checkpoint begin with {prefix!r}, which {left.name} does not have"
        yield left.take(Cause(text, _both(pairs), {prefix: ""}))
        return
    prefix, pairs = _best_prefix(left.absent, left.unexpected)
    if pairs:
        text = f"{len(pairs)} keys of {left.name} begin with {prefix!r}, which the checkpoint does not have"
        yield left.take(Cause(text, _both(pairs), {"": prefix}))


def _best_prefix(longer: Mapping[str, tuple[int, ...]], shorter: Mapping[str, tuple[int, ...]]) -> tuple[str, dict[str, str]]:
    """Return the prefix that most keys of *longer* have before a key of *shorter*, with those pairs; or none."""
    fitting: Counter[str] = Counter()
    pairs: dict[str, dict[str, str]] = defaultdict(dict)
    for key, shape in longer.items():
        parts = key.split(".")
        for cut in range(1, len(parts)):
            prefix, rest = ".".join(parts[:cut]) + ".", ".".join(parts[cut:])
            if rest in shorter:
                pairs[prefix][key] = rest
                fitting[prefix] += shorter[rest] == shape
    best = max(fitting, key=lambda prefix: (fitting[prefix], -len(prefix)), default="")
    few = fitting[best] <= 1 or fitting[best] < ENOUGH * min(len(longer), len(shorter))
    return ("", {}) if few else (best, pairs[best])


def _both(pairs: Mapping[str, str]) -> frozenset[str]:
    return frozenset(pairs) | frozenset(pairs.values())


# --- the same tensors, written otherwise ------------------------------------------------------------------------------


def _forms(left: _Open) -> Iterator[Cause]:
    theirs, ours = written(left.unexpected), written(left.absent)
    alike: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for name, held in theirs.items():
        wanted = ours.get(name)
        if wanted is not None and wanted.form.family == held.form.family:
            alike[held.form.words, wanted.form.words] |= {held.keys[role]: key for role, key in wanted.keys.items()}
    for (old, new), rename in alike.items():
        yield left.take(Cause(f"the checkpoint has {old}, {left.name} {new} ({_tensors(len(rename))})", _both(rename), rename))
    yield from _plain_on_one_side(left, theirs, left.absent, f"the checkpoint has {{}} on {{}}, {left.name} has the plain weight")
    yield from _plain_on_one_side(left, ours, left.unexpected, f"{left.name} has {{}} on {{}}, the checkpoint the plain weight")
    for ending, name in NAMES.items():
        pairs = {key: key.removesuffix(ending) + name for key in left.unexpected if key.rpartition(".")[2] == ending}
        if pairs and all(new in left.missing for new in pairs.values()):
            yield left.take(
                Cause(f"what {left.name} calls {name} is {ending} in the checkpoint ({_tensors(len(pairs))})", _both(pairs), pairs)
            )


def _plain_on_one_side(left: _Open, forms: Mapping[str, Written], plain: Mapping[str, object], text: str) -> Iterator[Cause]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, held in forms.items():
        if name in plain:
            groups[held.form.words].append(name)
    for words, names in groups.items():
        keys = frozenset((*names, *(key for name in names for key in (*forms[name].keys.values(), *forms[name].others))))
        places = names[0] if len(names) == 1 else f"{len(names)} parameters, {names[0]} and others"
        yield left.take(Cause(text.format(words, places), keys))


def _treatments(left: _Open) -> Iterator[Cause]:
    for treatment, modules in treated(left.unexpected).items():
        paths = set(modules.values())
        untreated = {key for key in left.missing if key.rpartition(".")[0] in paths}
        text = f"{_tensors(len(modules))} of the checkpoint are {treatment.words}: {treatment.fix}"
        yield left.take(Cause(text, frozenset(modules) | untreated))


# --- another depth ----------------------------------------------------------------------------------------------------


def _depths(left: _Open) -> Iterator[Cause]:
    theirs, ours = _numbered(left.found), _numbered(left.expected)
    for path in [path for path in ours if path in theirs and ours[path] != theirs[path]]:
        if not (ours[path] < theirs[path] or theirs[path] < ours[path]):
            continue
        extra = ours[path] ^ theirs[path]
        keys = frozenset(
            key
            for key in (*left.missing, *left.unexpected)
            if key.startswith(f"{path}.") and key[len(path) + 1 :].partition(".")[0] in extra
        )
        if keys:
            blocks = "1 block" if len(theirs[path]) == 1 else f"{len(theirs[path])} blocks"
            counts = f"the checkpoint has {blocks} in {path}, {left.name} builds {len(ours[path])}"
            yield left.take(Cause(f"{counts} ({_tensors(len(keys))})", keys))


def _numbered(tensors: Mapping[str, Shaped]) -> dict[str, set[str]]:
    """Return the numbers below each path, such as ``{"layer3": {"0", "1"}}``; outer paths come first."""
    numbers: dict[str, set[str]] = defaultdict(set)
    for key in tensors:
        parts = key.split(".")
        for at, part in enumerate(parts):
            if part.isdigit() and at:
                numbers[".".join(parts[:at])].add(part)
    return dict(sorted(numbers.items(), key=lambda item: item[0].count(".")))


# --- other names ------------------------------------------------------------------------------------------------------


def _renames(left: _Open) -> Iterator[Cause]:
    pairs = _pairs(left.unexpected, left.absent)
    if len(pairs) < ENOUGH * min(len(left.unexpected), len(left.missing)):
        return
    groups: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for old, new in pairs.items():
        groups[_differing_parts(old, new)][old] = new
    doubtful = _interchangeable(groups, left)
    for (old_part, new_part), members in groups.items():
        rename = {old_part: new_part} if old_part.endswith(".") else members
        here, there = f"{old_part.rstrip('.')} in the checkpoint", f"{new_part.rstrip('.')} in {left.name}"
        if (old_part, new_part) in doubtful:
            text = f"{here} may be {there}: their order alone says so, others have the same shapes ({_tensors(len(members))})"
            yield left.take(Cause(text, _both(members)))
        else:
            yield left.take(Cause(f"{here} is {there}, by shape and place ({_tensors(len(members))})", _both(members), rename))


def _interchangeable(groups: Mapping[tuple[str, str], Mapping[str, str]], left: _Open) -> set[tuple[str, str]]:
    """The renamings of which another one of the same block takes tensors of the same looks: query, key and value, say.

    Which of them is which decides every answer, and shapes cannot tell it.
    """
    holders: dict[tuple[tuple[str, ...], str, tuple[int, ...]], set[tuple[str, str]]] = defaultdict(set)
    for rule, members in groups.items():
        for old in members:
            holders[tuple(_NUMBERED.findall(f".{old}")), old.rpartition(".")[2], left.unexpected[old]].add(rule)
    return {rule for rules in holders.values() if len(rules) > 1 for rule in rules}


def _pairs(unexpected: Mapping[str, tuple[int, ...]], missing: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """Return old names to new ones, where as many on both sides have the same last part and shape, in their order."""
    olds, news = _by_looks(unexpected), _by_looks(missing)
    pairs: dict[str, str] = {}
    for looks, old in olds.items():
        new = news.get(looks, [])
        if len(old) == len(new):
            pairs.update(zip(old, new, strict=True))
    return pairs


def _by_looks(tensors: Mapping[str, tuple[int, ...]]) -> dict[tuple[str, tuple[int, ...]], list[str]]:
    groups: dict[tuple[str, tuple[int, ...]], list[str]] = defaultdict(list)
    for key, shape in tensors.items():
        groups[key.rpartition(".")[2], shape].append(key)
    return groups


def _differing_parts(old: str, new: str) -> tuple[str, str]:
    """Return the module paths by which two names differ, each with a dot; whole names if the last parts differ."""
    olds, news = old.split("."), new.split(".")
    while len(olds) > 1 and len(news) > 1 and olds[-1] == news[-1]:
        olds.pop()
        news.pop()
    if len(olds) == old.count(".") + 1:
        return old, new
    return ".".join(olds) + ".", ".".join(news) + "."


def _successors(left: _Open) -> Iterator[Cause]:
    """Modules under another name and with another width: told apart by their tensors' names alone, so all or none."""
    olds, news = _by_module(left.unexpected), _by_module(left.missing)
    if not olds or [list(looks.items()) for looks in olds.values()] != [list(looks.items()) for looks in news.values()]:
        return
    for old, new in zip(olds, news, strict=True):
        keys = {f"{old}.{leaf}": f"{new}.{leaf}" for leaf in olds[old]}
        text = f"{old} in the checkpoint is most likely {new} in {left.name}, by its tensors and their order"
        yield left.take(Cause(f"{text} ({_tensors(len(keys))})", _both(keys), {f"{old}.": f"{new}."}))


def _by_module(tensors: Mapping[str, tuple[int, ...]]) -> dict[str, dict[str, int]]:
    """Return, for each module that is not the root, its tensors by last name with their number of dimensions."""
    groups: dict[str, dict[str, int]] = defaultdict(dict)
    for key, shape in tensors.items():
        path, _, leaf = key.rpartition(".")
        groups[path][leaf] = len(shape)
    return {} if "" in groups else groups


# --- other widths -----------------------------------------------------------------------------------------------------


def _widths(left: _Open) -> Iterator[Cause]:
    """One line for each module that differs, and for all the blocks in which it differs alike."""
    modules: dict[str, list[str]] = defaultdict(list)
    for key in left.differing:
        modules[key.rpartition(".")[0] or key].append(key)
    alike: dict[tuple[str, object], list[str]] = defaultdict(list)
    for path, keys in modules.items():
        main = max(keys, key=lambda key: len(left.differing[key][0]))
        alike[_NUMBERED.sub("*", path), left.differing[main]].append(path)
    for (pattern, _), paths in alike.items():
        keys = [key for path in paths for key in modules[path]]
        main = max(keys, key=lambda key: len(left.differing[key][0]))
        place = pattern if len(paths) > 1 else paths[0]
        shown = (_width if main.endswith(".weight") else _unlike)(place, *left.differing[main], left.name)
        yield left.take(Cause(f"{shown} ({_tensors(len(keys))})", frozenset(keys)))


def _width(path: str, ours: tuple[int, ...], theirs: tuple[int, ...], name: str) -> str:
    changed = [at for at in range(len(ours)) if len(ours) == len(theirs) and ours[at] != theirs[at]]
    if changed == [0] and len(ours) <= 2:  # noqa: PLR2004 - out and in of a linear layer
        return f"{path} is {theirs[0]} wide in the checkpoint, {name} builds {ours[0]}"
    if changed == [1] and len(ours) >= CONVOLUTION:
        return f"{path} takes {theirs[1]} channels in the checkpoint, {name} builds it for {ours[1]}"
    if changed == [1]:
        return f"{path} takes {theirs[1]} features in the checkpoint, {name} builds it for {ours[1]}"
    return _unlike(path, ours, theirs, name)


def _unlike(path: str, ours: tuple[int, ...], theirs: tuple[int, ...], name: str) -> str:
    return f"{path} is {list(theirs)} in the checkpoint, {name} builds {list(ours)}"


# --- parts that one side lacks ----------------------------------------------------------------------------------------


def _parts(left: _Open) -> Iterator[Cause]:
    for path, keys in _by_part(left.missing, left.found).items():
        yield left.take(Cause(f"{path} ({_tensors(len(keys))}) is in {left.name} and not in the checkpoint", keys))
    for path, keys in _by_part(left.unexpected, left.expected).items():
        training = "; an auxiliary head serves training only" if _AUXILIARY.search(path) else ""
        yield left.take(Cause(f"{path} ({_tensors(len(keys))}) is in the checkpoint and not in {left.name}{training}", keys))


def _by_part(keys: Mapping[str, object], other: Mapping[str, object]) -> dict[str, frozenset[str]]:
    """Group *keys* by the outermost module that the other side lacks, or by the one that holds the tensor."""
    known = {path for key in other for path in _paths(key)}
    groups: dict[str, set[str]] = defaultdict(set)
    for key in keys:
        groups[next((path for path in _paths(key) if path not in known), key.rpartition(".")[0] or key)].add(key)
    sizes = Counter({path: len(members) for path, members in groups.items()})
    return {path: frozenset(groups[path]) for path, _ in sizes.most_common()}


def _paths(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _tensors(count: int) -> str:
    return f"{count} tensor" if count == 1 else f"{count} tensors"
