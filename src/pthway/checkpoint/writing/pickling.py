"""The one pickle of a clean state dict: an ``OrderedDict`` of tensors, in the opcodes that ``torch.load(weights_only=True)`` takes."""

from collections.abc import Mapping
from struct import pack
from typing import Final, NamedTuple

from pthway.formats.tensors import STORAGE_CLASSES

_CLASSES: Final = {dtype: name for name, dtype in STORAGE_CLASSES.items() if not name.endswith("UntypedStorage")}
"""Element types that torch has a storage class for; the others are views of untyped storage."""

_INT32: Final = 2**31


class View(NamedTuple):
    """A tensor as the pickle names it: a strided view of a numbered storage."""

    storage: int
    elements: int
    """Of the whole storage."""
    nbytes: int
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def state_dict(views: Mapping[str, View], metadata: Mapping[str, Mapping[str, object]] | None) -> bytes:
    """The pickle of the views under their names, with *metadata* as the dictionary's ``_metadata``."""
    writer = _Writer()
    writer.ordered_dict()
    writer.parts.append(b"(")
    for name, view in views.items():
        writer.value(name)
        writer.tensor(view)
    writer.parts.append(b"u")
    if metadata is not None:
        writer.parts.append(b"}")
        writer.value("_metadata")
        writer.ordered_dict()
        writer.parts.append(b"(")
        for path, of in metadata.items():
            writer.value(path)
            writer.value(of)
        writer.parts.append(b"usb")
    return b"".join([*writer.parts, b"."])


class _Writer:
    """Opcodes of protocol 2, one after the other."""

    def __init__(self) -> None:
        self.parts: list[bytes] = [b"\x80\x02"]
        self.memo: dict[str, int] = {}

    def global_(self, module: str, name: str) -> None:
        """A class or function; from the second time on by its number in the memo."""
        text = f"c{module}\n{name}\n"
        if text in self.memo:
            self.parts.append(pack("<cB", b"h", self.memo[text]))
        else:
            self.memo[text] = len(self.memo)
            self.parts.append(text.encode("ascii") + pack("<cB", b"q", self.memo[text]))

    def ordered_dict(self) -> None:
        """An empty one."""
        self.global_("collections", "OrderedDict")
        self.parts.append(b")R")

    def tensor(self, view: View) -> None:
        """The call that makes a tensor of a storage."""
        typed = view.dtype in _CLASSES
        self.global_("torch._utils", "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3")
        self.parts.append(b"((")
        self.value("storage")
        self.global_("torch" if typed else "torch.storage", _CLASSES[view.dtype] if typed else "UntypedStorage")
        self.value(str(view.storage))
        self.value("cpu")
        self.value(view.elements if typed else view.nbytes)
        self.parts.append(b"tQ")
        for value in (view.offset, view.shape, view.stride, False):
            self.value(value)
        self.ordered_dict()
        if not typed:
            self.global_("torch", view.dtype)
        self.parts.append(b"tR")

    def value(self, value: object) -> None:
        """Plain data."""
        match value:
            case None:
                self.parts.append(b"N")
            case bool():
                self.parts.append(b"\x88" if value else b"\x89")
            case int() if -_INT32 <= value < _INT32:
                self.parts.append(pack("<ci", b"J", value))
            case int():
                raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
                self.parts.append(pack("<cB", b"\x8a", len(raw)) + raw)
            case float():
                self.parts.append(pack(">cd", b"G", value))
            case str():
                raw = value.encode("utf-8", "surrogatepass")
                self.parts.append(pack("<cI", b"X", len(raw)) + raw)
            case _:
                self.nested(value)

    def nested(self, value: object) -> None:
        """Tuples, lists and dictionaries of plain data."""
        match value:
            case tuple() | list():
                self.parts.append(b"(" if isinstance(value, tuple) else b"](")
                for entry in value:
                    self.value(entry)
                self.parts.append(b"t" if isinstance(value, tuple) else b"e")
            case dict():
                self.parts.append(b"}(")
                for key, entry in value.items():
                    self.value(key)
                    self.value(entry)
                self.parts.append(b"u")
            case _:
                raise TypeError(f"{type(value).__name__} is no plain data")
