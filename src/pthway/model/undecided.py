"""Classes of transformers: the settings that the weights show are solved, those that they do not show have to be said."""

from collections.abc import Mapping
from difflib import get_close_matches

from pthway.architecture.match import Architecture
from pthway.architecture.zoo.class_words import NAMED, listed, named, passed
from pthway.architecture.zoo.classes import Classed, flat
from pthway.errors import AmbiguousArchitecture, ArchitectureNotFound, UnsolvedArguments, UsageError
from pthway.identification import Identity


def settled_by(architecture: Architecture, found: Classed, given: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str]]:
    """Return the settings that the weights show, and the evidence for each.

    Raises `UnsolvedArguments` where *given* lacks one that they do not show and that may change the answers, and `UsageError` for a
    setting that the configuration does not have: it would take any without a word.
    """
    settings = found.solution.settings
    told = {**dict(flat(given)), **given}
    known = {*settings, *found.undecided, *found.training, "num_labels"}
    strange = [name for name, _ in flat(given) if name not in known and name.rpartition(".")[0] not in known]
    if strange:
        near = get_close_matches(strange[0], known, n=3)
        raise UsageError(
            f"The configuration of {architecture.name} has no setting {strange[0]!r}.",
            "It would take it without a word and change nothing.",
            f"Did you mean {' or '.join(near)}?" if near else "See which it has: pthway identify FILE --json",
        )
    missing = {name: value for name, value in found.undecided.items() if name not in told}
    if missing:
        raise UnsolvedArguments(
            f"{len(missing)} settings of {architecture.name} have to be passed: the weights do not show them.",
            f"The library's own values are {listed(missing)}; whether it was trained with these, its config.json says.",
            f'Put that beside the weights, or pass them: pthway.load(path, "{architecture.name}"{passed({**missing, **given})})',
        )
    return dict(settings), {name: f"{found.solution.evidence[name]}: {name}" for name in settings}


def undecided(found: Identity) -> ArchitectureNotFound:
    """Return the error for weights of a class of transformers without its configuration."""
    first = found.classes[0]
    names = " or ".join(named(each) for each in found.classes[:NAMED])
    kind = ArchitectureNotFound if len(found.names) == 1 else AmbiguousArchitecture
    shows = f"They show {listed(first.solution.settings)}"
    open_ = f"\n       and not {listed(first.undecided)} (the library's values), which the answers depend on." if first.undecided else "."
    return kind(
        f"{found.path} has the weights of {names}, and no config.json lies beside it.",
        shows + open_,
        f"Put its config.json beside it under a name that the library writes (pytorch_model.bin), or say what is open: {found.call}",
    )
