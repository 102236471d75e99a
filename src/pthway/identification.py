"""Which network of a well-known library a weights file belongs to, found from names and shapes alone: no torch, no library."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pthway.architecture.zoo.class_words import class_facts, passed
from pthway.architecture.zoo.classes import Classed, classes
from pthway.architecture.zoo.index import Index, the_index
from pthway.architecture.zoo.lookup import Exact, exact
from pthway.architecture.zoo.nearest import Relative, nearest
from pthway.architecture.zoo.templates import the_templates
from pthway.architecture.zoo.words import differences, exact_facts, relative_facts, spelling
from pthway.checkpoint import Checkpoint, StateDict, open_checkpoint
from pthway.checkpoint.prefixes import readings
from pthway.checkpoint.summary import shown


@dataclass(frozen=True)
class Identity:
    """What the index of networks says of the weights of a file."""

    path: Path
    weights: StateDict
    """The state dict, under the names that were recognised; its `renames` say what was undone for that."""
    exact: Exact
    """The networks that have every tensor of the file and no other."""
    index: Index
    classes: tuple[Classed, ...] = ()
    """The classes of transformers that have every tensor of the file and no other, with the settings that the weights show."""

    @property
    def recognised(self) -> bool:
        """Whether a network or class has every tensor of the file and no other."""
        return bool(self.exact.readings or self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of a network or class that has exactly these weights, such as ``timm:resnet18``; empty if there is none."""
        members = (member.spelling for each in self.classes for member in each.members)
        return tuple(dict.fromkeys([*map(spelling, self.exact.readings), *members]))

    @property
    def certain(self) -> bool:
        """Whether one network alone has these weights, under however many names, with nothing that the weights do not show."""
        return len(self.exact.networks) == 1

    @cached_property
    def relatives(self) -> Sequence[Relative]:
        """What the file contains or resembles, the most alike first; empty for one that is recognised."""
        return () if self.recognised else nearest(self.index, self.weights.tensors)

    @property
    def call(self) -> str:
        """The line that loads the file; it names one of the networks where several have these weights."""
        if self.classes:
            return f'pthway.load("{self.path}", "{self.classes[0].members[0].spelling}"{passed(self.classes[0].undecided)})'
        buildable = [reading for reading in self.exact.readings if reading.buildable] or self.exact.readings
        chosen = [buildable[0].row.spelling, *(f"{name}={value!r}" for name, value in buildable[0].row.arguments.items())]
        named = "" if self.certain else f', "{chosen[0]}"' + "".join(f", {each}" for each in chosen[1:])
        return f'pthway.load("{self.path}"{named})'

    def facts(self) -> list[tuple[str, str]]:
        """Return what is known as label and text."""
        rows = [("file", str(self.path))]
        if self.exact.readings:
            rows += exact_facts(self.index, self.exact, len(self.weights.tensors))
        elif self.classes:
            rows += class_facts(self.classes, len(self.weights.tensors))
        elif self.relatives:
            rows += relative_facts(self.relatives, self.weights.tensors)
        else:
            rows.append(("is", f"no network of {self._libraries()}, nor like one"))
        rows += [("undone", str(rule)) for rule in self.weights.renames]
        if self.exact.readings:
            rows.append(("next", self.call))
        if self.classes:
            rows.append(("next", "put the config.json that it was saved with beside it, or pass what is open: pthway.load(…) says how"))
        return [(label, shown(text)) for label, text in rows]

    def report(self) -> dict[str, object]:
        """Return everything that is known as plain data for JSON."""
        return {
            "path": str(self.path),
            "weights": self.weights.path,
            "certain": self.certain,
            "networks": [
                [
                    {"name": reading.row.spelling, "arguments": reading.arguments, "classes": reading.classes, "channels": reading.channels}
                    for reading in network
                ]
                for network in self.exact.networks
            ],
            "classes": [
                {
                    "names": [member.spelling for member in each.members],
                    "settings": each.solution.settings,
                    "evidence": each.solution.evidence,
                    "together": each.solution.products,
                    "open": each.undecided,
                    "left_out": each.left_out,
                }
                for each in self.classes
            ],
            "relatives": [self._relation(relative) for relative in self.relatives],
            "undone": [str(rule) for rule in self.weights.renames],
            "index": self.index.libraries if self.exact.readings else self.index.libraries | the_templates().libraries,
        }

    def _relation(self, relative: Relative) -> dict[str, object]:
        return {
            "names": [row.spelling for row in relative.rows],
            "contained": relative.contained,
            "prefix": relative.prefix,
            "shared": relative.shared,
            "of_network": relative.of_network,
            "of_file": relative.of_file,
            "differences": differences(relative, self.weights.tensors),
        }

    def _libraries(self) -> str:
        libraries = self.index.libraries | the_templates().libraries
        return ", ".join(f"{library} {release}" for library, release in libraries.items() if library != "torch")

    def __str__(self) -> str:
        return "\n".join(f"{label:<11} {text}" for label, text in self.facts())


def identify(path: str | os.PathLike[str], *, weights: str | None = None) -> Identity:
    """Return which network of torchvision or timm, or class of transformers, the weights of *path* belong to.

    Looks up names and shapes in an index that ships with pthway: with any number of classes and input channels, and after prefixes
    that all names share. A checkpoint is a network only if every one of its tensors is; otherwise `Identity.relatives` says what it
    contains or resembles. *weights* chooses among several state dicts. Nothing is imported and nothing in the file is executed.
    Raises the errors of `pthway.open`, `NoWeights`, and `AmbiguousWeights` for several state dicts.
    """
    checkpoint = open_checkpoint(path)
    return identity(checkpoint, checkpoint.choose(weights))


def identity(checkpoint: Checkpoint, state: StateDict) -> Identity:
    """Return what the index says of one state dict of a checkpoint."""
    index = the_index()
    for reading in readings(state):
        found = exact(index, reading.tensors, reading.metadata or None)
        if found.readings:
            return Identity(checkpoint.path, reading, found, index)
    for reading in readings(state):
        having = classes(the_templates(), reading.tensors)
        if having:
            return Identity(checkpoint.path, reading, Exact((), 0), index, having)
    return Identity(checkpoint.path, state, Exact((), 0), index)
