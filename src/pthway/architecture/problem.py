"""One constructor beside one checkpoint: what is left out, what can be tried, what is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass

from pthway.architecture.constructor import Constructor, Kind, read_constructor, refuse_unknown
from pthway.architecture.difference import Shaped
from pthway.architecture.match import Architecture
from pthway.architecture.probe import Prober
from pthway.architecture.trace import Features, features
from pthway.architecture.unsolved import cannot_try


@dataclass(frozen=True, slots=True)
class Problem:
    """One constructor beside one checkpoint."""

    constructor: Constructor
    prober: Prober
    unknown: tuple[str, ...]
    """Integer arguments that were left out, in the order of the signature."""
    wanted: Features

    def required(self) -> list[str]:
        """Return the unknown arguments that the author gives no default."""
        return [name for name in self.unknown if name not in self.prober.defaults]


def pose(architecture: Architecture, tensors: Mapping[str, Shaped], given: Mapping[str, object]) -> Problem:
    """Return the problem; raises `UsageError` for unknown names and `UnsolvedArguments` for what can never be tried."""
    constructor = read_constructor(architecture.factory)
    refuse_unknown(architecture, constructor, given)
    left_out = [each for name, each in constructor.parameters.items() if name not in given]
    hopeless = [each for each in left_out if each.required and each.kind in (Kind.OTHER, Kind.BOOLEAN)]
    if hopeless:
        raise cannot_try(architecture, hopeless)
    unknown = [each for each in left_out if each.kind in (Kind.INTEGER, Kind.UNKNOWN)]
    defaults = {each.name: each.default for each in unknown if isinstance(each.default, int)}
    prober = Prober(architecture, given, defaults, tensors)
    return Problem(constructor, prober, tuple(each.name for each in unknown), features(tensors))
