"""``pthway convert``: the weights of a file as another kind of file, without torch and without the network's class."""

from argparse import Namespace

from pthway.checkpoint import open_checkpoint
from pthway.checkpoint.convert import Converted, Precision
from pthway.checkpoint.summary import shown
from pthway.cli import screen


def run(options: Namespace) -> int:
    """Write the chosen weights of a file to another, and say what was done."""
    precision = Precision.HALF if options.half else Precision.BFLOAT16 if options.bfloat16 else None
    checkpoint = open_checkpoint(options.file)
    with screen.progress(f"writing {options.output.name}") as progress:
        written = checkpoint.save(options.output, weights=options.weights, precision=precision, progress=progress)
    if options.json:
        screen.write_json({**written._asdict(), "safety": str(checkpoint.safety.verdict)})
    else:
        screen.facts(_facts(written))
    return 0


def _facts(written: Converted) -> list[tuple[str, str]]:
    of = f", weights {written.weights}" if written.weights else ""
    rows = [
        ("written", shown(f"{written.path}, {written.nbytes:,} bytes")),
        ("format", f"{written.target}, {written.tensors:,} tensors"),
        ("from", shown(f"{written.source}{of}")),
    ]
    rows += [("changed", f"{count:,} tensors from {types}") for types, count in written.changed.items()]
    if written.left_behind:
        rows.append(("left behind", shown(f"{', '.join(written.left_behind[:4])}{', …' if len(written.left_behind) > 4 else ''}")))  # noqa: PLR2004
    how = "still share memory" if written.shares else "share memory in the source; each was written in full"
    return rows + [("shared", shown(f"{', '.join(names[:4])}{', …' if len(names) > 4 else ''} {how}")) for names in written.shared]  # noqa: PLR2004
