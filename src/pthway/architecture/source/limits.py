"""How much of a source tree is looked at. Honest trees stay far below these numbers."""

from typing import Final

MAX_FILES: Final = 100_000
"""Python files of a tree; more are an error."""
MAX_FILE_BYTES: Final = 4_000_000
"""A larger file is left out and counted: it is data in the form of Python."""
MAX_SEGMENT: Final = 60_000
"""Characters of one function or constant that are interpreted."""
MAX_STEPS: Final = 20_000
"""Statements and calls that one constructor may cost, with all that it calls; what comes after is taken as unknown."""
MAX_ASIDE: Final = 150
"""Those that a method may cost whose class makes no modules; what it gives is then unknown, and the constructor goes on."""
MAX_CALLS: Final = 40
"""Calls inside one another."""
MAX_NESTED: Final = 120
"""Expressions and statements inside one another."""
MAX_UNROLLED: Final = 128
"""Rounds of a loop that are gone through one by one; a longer loop counts as one of unknown length."""
MAX_ITEMS: Final = 1024
"""Entries of a list or dictionary whose places are kept."""
MAX_OPTIONS: Final = 8
"""Alternatives that one value may have; more are taken as unknown."""
MAX_OBJECTS: Final = 16
"""Objects whose attributes are kept apart in the two branches of an ``if``."""
MAX_PASSED: Final = 6
"""Classes of a file that an argument is taken for which its constructor may be given."""
MAX_TEXT: Final = 200
"""Characters of a name that is put together."""
MAX_NUMBER: Final = 1 << 48
"""Numbers beyond this are taken as unknown: no dimension is as large."""
MAX_DEPTH: Final = 64
"""Modules inside one another."""
