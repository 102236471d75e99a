"""A module's methods as text, where the file holds its program."""

from typing import NamedTuple


class Code(NamedTuple):
    """What a class of the written file consists of beside its tensors and modules."""

    methods: tuple[tuple[str, ...], ...] = ()
    """The lines of each method, not indented."""
    alike: tuple[str, ...] = ()
    """The methods in a form in which those that differ in nothing but the names of their variables are equal."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Name and text of every value that is no tensor."""
    buffers: tuple[tuple[str, str], ...] = ()
    """Name and text of every tensor that the weights do not hold."""
    imports: frozenset[str] = frozenset()
    """``torch`` and ``F``, where it uses them."""
    failed: int = 0
    """How many methods are not translated, and say so when they are called."""

    @property
    def compared(self) -> "Code":
        """What has to be equal in modules that are written as one class."""
        return self._replace(methods=())
