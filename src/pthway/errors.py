"""Every deliberate error of pthway: what happened, why, and what to do next.

PthwayError
├── MissingFile            FileNotFoundError    nothing stands at the path
├── UnreadableFile         UnpicklingError,     the file is not weights that can be read
│   │                      RuntimeError
│   ├── EmptyFile          EOFError             zero bytes, or nothing but zero bytes
│   ├── TruncatedFile      EOFError             the file ends before its contents do
│   ├── NotWeights                              a web page, a git-lfs pointer, an archive of something else, …
│   ├── CorruptFile                             checksums, bounds or the pickle stream do not hold
│   ├── LimitExceeded                           honest files stay far below this size
│   └── UnsafeFile                              the weights hang on a call that the file wants made
├── NoWeights              ValueError           readable, but without a state dict
├── AmbiguousWeights       ValueError           several state dicts fit; one must be chosen
├── WholeModule            RuntimeError         a pickled module: its class is needed to run it
├── ArchitectureNotFound   ValueError           the architecture that was named cannot be imported, or none fits
│   └── AmbiguousArchitecture                   several classes or networks fit; one must be named
├── ConstructorFailed      RuntimeError         the architecture's own code raised
├── UnsolvedArguments      RuntimeError         constructor arguments that the weights do not settle
├── Mismatch               RuntimeError         weights and architecture do not fit
├── InputRefused           ValueError           the input does not have the shape or type the model takes
│   └── BatchLost          RuntimeError         the network folds the batch dimension away
├── BundleRefused          ValueError           a bundle that is incomplete, changed, or of a format that is not known
├── NotExportable          RuntimeError         the network has no program of this kind, or one that gives other numbers
├── FunctionFailed         RuntimeError         a function that was packed with the network raised, or returned no arrays
├── Drift                  RuntimeError         a runtime gives other numbers here than the golden record
├── Unrepresentable        ValueError           numbers that have no place in the format or type that was chosen
├── NotWritten             OSError              the file could not be written, and nothing was left behind
├── UsageError             ValueError           an option or choice that does not exist
└── MissingDependency      ImportError          an extra has to be installed
"""

import pickle


def _printable(text: str) -> str:
    """*text* with everything escaped that a terminal would obey: messages quote what stands in files."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


class PthwayError(Exception):
    """Base of every deliberate error.

    *what* names the thing and the value met, *why* the rule, *fix* the next command or choice.
    """

    def __init__(self, what: str, why: str, fix: str) -> None:
        what, why, fix = _printable(what), _printable(why), _printable(fix)
        super().__init__(what, why, fix)
        self.what, self.why, self.fix = what, why, fix

    def __str__(self) -> str:
        return f"{self.what}\n  why: {self.why}\n  fix: {self.fix}"

    def __reduce__(self) -> tuple[type["PthwayError"], tuple[str, str, str]]:
        # OSError keeps only two of three arguments; without this the error would not survive between processes.
        return type(self), (self.what, self.why, self.fix)


class MissingFile(PthwayError, FileNotFoundError):
    """Nothing stands at the path."""


class UnreadableFile(PthwayError, pickle.UnpicklingError, RuntimeError):
    """The file is not weights that can be read."""


class EmptyFile(UnreadableFile, EOFError):
    """The file has no bytes, or nothing but zero bytes."""


class TruncatedFile(UnreadableFile, EOFError):
    """The file ends before its contents do."""


class NotWeights(UnreadableFile):
    """The file is something else: a web page, a git-lfs pointer, a Python path configuration."""


class CorruptFile(UnreadableFile):
    """The file contradicts itself: checksums, bounds or the pickle stream do not hold."""


class LimitExceeded(UnreadableFile):
    """The file asks for more than any honest file needs."""


class UnsafeFile(UnreadableFile):
    """The weights can only be had by making a call that the file asks for; pthway makes none."""


class NoWeights(PthwayError, ValueError):
    """The file can be read but holds no state dict."""


class AmbiguousWeights(PthwayError, ValueError):
    """Several state dicts fit, and either choice is wrong for somebody."""


class WholeModule(PthwayError, RuntimeError):
    """The file is a pickled module; running it needs its class."""


class ArchitectureNotFound(PthwayError, ValueError):
    """The architecture that was named cannot be imported, or no class of the folder fits."""


class AmbiguousArchitecture(ArchitectureNotFound):
    """Several classes of the folder fit about equally well; which one was trained has to be said."""


class ConstructorFailed(PthwayError, RuntimeError):
    """The architecture's own code raised while it was built."""


class UnsolvedArguments(PthwayError, RuntimeError):
    """The weights do not settle these constructor arguments."""


class Mismatch(PthwayError, RuntimeError):
    """Weights and architecture do not fit."""


class InputRefused(PthwayError, ValueError):
    """The input does not have the shape or type that the model takes."""


class BatchLost(InputRefused, RuntimeError):
    """The network folds the batch dimension away: it does not give one answer a sample."""


class BundleRefused(PthwayError, ValueError):
    """A bundle that is incomplete, changed, or of a format that is not known."""


class NotExportable(PthwayError, RuntimeError):
    """The network cannot be turned into this kind of program, or the program gives other numbers."""


class FunctionFailed(PthwayError, RuntimeError):
    """A function that was packed with the network raised, or returned something else than arrays by name."""


class Drift(PthwayError, RuntimeError):
    """A runtime gives other numbers, here and now, than the golden record holds."""


class Unrepresentable(PthwayError, ValueError):
    """Numbers that have no place in the format or the type that was chosen."""


class NotWritten(PthwayError, OSError):
    """The file could not be written: the disk, the folder or a permission. Nothing is left behind."""


class UsageError(PthwayError, ValueError):
    """An option or a choice that does not exist."""


class MissingDependency(PthwayError, ImportError):
    """An optional package is needed and absent."""


class PthwayWarning(UserWarning):
    """Something that the user should know, and that does not stop the work."""
