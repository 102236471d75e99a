"""The network of a bundle in eager torch, and its graph: what is made anew where a bundle holds no fitting program."""

from collections.abc import Mapping
from importlib.metadata import version

from pthway.bundle.folder import Bundle
from pthway.bundle.golden import NAN, Array
from pthway.errors import BundleRefused, NotExportable
from pthway.export.exported import Graph, exported
from pthway.export.reference import Reference, Referred
from pthway.runtime.eager import rebuilt

TORCH = f"torch {version('torch').partition('+')[0]}"


def referred_of(bundle: Bundle, to: str) -> Referred:
    """The network, built again by its class. Raises `NotExportable` if the bundle does not say how. Its source is run."""
    try:
        module = rebuilt(bundle)
    except BundleRefused as refusal:
        raise NotExportable(
            f"The export to {to} is made from the network itself: {refusal.what}", refusal.why, "Pack the model from its file and class"
        ) from refusal
    signature = bundle.manifest.signature
    reference = Reference(module, [each.name for each in signature.inputs], [each.name for each in signature.outputs])
    return Referred(reference, signature, ())


def example_of(bundle: Bundle) -> Mapping[str, Array]:
    """Inputs to trace with: those of the first record."""
    records = bundle.records()
    return next(record.inputs for name, record in records.items() if name != NAN)


def graph_of(bundle: Bundle, to: str) -> tuple[Graph, Referred]:
    """The network as torch exports it. Raises `NotExportable`."""
    referred = referred_of(bundle, to)
    return exported(referred, example_of(bundle)), referred
