"""What loading the file with Python's own pickle would do.

Not a list of bad names: every call that is not known to make plain data is named.
"""

from enum import StrEnum
from typing import NamedTuple

from pthway.errors import UnsafeFile
from pthway.formats.parts import Parts
from pthway.formats.pickle_machine import present
from pthway.formats.rebuild import is_structural
from pthway.formats.values import Call


class Verdict(StrEnum):
    """Kinds of content, from the harmless on."""

    PLAIN = "plain"
    """Tensors, containers, numbers and texts."""
    DESCRIPTIVE = "descriptive"
    """Carries objects of classes as data, or only names some; nothing has to run to get the weights."""
    RUNS_CODE = "would run code"
    """Python's pickle would call what is named."""


class Safety(NamedTuple):
    """The verdict on a file, with its evidence."""

    verdict: Verdict
    calls: tuple[Call, ...]
    classes: tuple[str, ...]

    def __str__(self) -> str:
        match self.verdict:
            case Verdict.PLAIN:
                return "plain: tensors and data, nothing that runs"
            case Verdict.DESCRIPTIVE:
                shown = ", ".join(self.classes[:3]) + (", …" if len(self.classes) > 3 else "")  # noqa: PLR2004  # names shown
                count = "a class or function" if len(self.classes) == 1 else f"{len(self.classes)} classes or functions"
                return f"descriptive: names {count} that weights do not need ({shown}); nothing was run"
            case Verdict.RUNS_CODE:
                shown = "; ".join(str(call) for call in self.calls[:3])
                return f"would run code: {shown}{'; …' if len(self.calls) > 3 else ''} — not executed here"  # noqa: PLR2004


def judge(parts: Parts) -> Safety:
    """The verdict on what the file's pickles hold."""
    called = {call.target for call in parts.calls}
    named = [name for name in parts.globals if not is_structural(present(name)) and str(name) not in called]
    classes = tuple(ascii(str(kind))[1:-1] for kind in dict.fromkeys((*parts.classes, *map(present, named))))
    verdict = Verdict.RUNS_CODE if parts.calls else Verdict.DESCRIPTIVE if classes else Verdict.PLAIN
    return Safety(verdict, parts.calls, classes)


def refusal(path: object, safety: Safety) -> UnsafeFile:
    """The error for deploying a file that would run code."""
    return UnsafeFile(
        f"{path} would run code when it is unpickled: {'; '.join(str(call) for call in safety.calls[:3])}.",
        "A file of weights has no reason to call this. pthway did not run it, and does not build a deployment on such a file.",
        "Ask its author for torch.save(model.state_dict(), path). The arrays can be read safely: pthway.open(path)[name].numpy()",
    )
