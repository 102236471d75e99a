"""Names in a tree whose parts may be shared: a few hundred bytes can describe a tree that has more leaves than there is memory."""

from typing import final

from pthway.errors import LimitExceeded
from pthway.formats import limits


@final
class Names:
    """Puts the names of a tree's leaves together, and counts what that costs."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = limits.MAX_NAME_CHARACTERS

    def join(self, path: str, name: str) -> str:
        """*name* below *path*. Raises `LimitExceeded` for a name, or a tree, without end."""
        length = len(path) + len(name)
        if length > limits.MAX_KEY_LENGTH:
            raise LimitExceeded(
                f"A tensor's name has {length:,} characters.", f"At most {limits.MAX_KEY_LENGTH} are read.", "Check the file's origin."
            )
        self.look(1)
        self.left -= length
        return path + name

    def look(self, count: int) -> None:
        """Count entries that are looked at. Raises `LimitExceeded`."""
        self.left -= limits.NAME_COST * count
        if self.left < 0:
            raise LimitExceeded(
                "The names of the tensors have too many characters.",
                f"At most {limits.MAX_NAME_CHARACTERS:,} are read; a module that is used in many places makes a tree without end.",
                "Check the file's origin.",
            )
