"""Which names are those of files inside of a folder."""

from pathlib import PurePosixPath


def is_inside(name: str) -> bool:
    """Whether *name* is the path of a file inside of a folder, on any system."""
    parts = PurePosixPath(name).parts
    plain = name == "/".join(parts) and not any(char in name for char in "\\:\0") and name.isprintable()
    return plain and bool(parts) and not name.startswith("/") and ".." not in parts
