"""The largest things that are read, each with its reason. Honest files stay far below; an attacker gains nothing above."""

from typing import Final

MIB: Final = 1024 * 1024

MAX_PICKLE_BYTES: Final = 256 * MIB
"""The pickle holds names, shapes and settings, not weights: 100,000 tensors need about 20 MiB."""

MAX_OPCODES: Final = 8_000_000
"""About 32 opcodes a tensor; 8 million are decoded in a few seconds and fill a few hundred MiB at worst."""

MAX_CONTAINERS: Final = 2_000_000
"""Lists, dictionaries, tuples and objects of one pickle: each costs about 100 bytes, and one opcode of one byte makes one."""

MAX_MEMO: Final = 2_000_000
"""Entries of the memo, about 6 a tensor; its indices are free, so that it is counted rather than sized by them."""

MAX_LINE: Final = 4096
"""A text argument (a global's module or name, a decimal number): names are under 200 bytes; long digits cost quadratic time."""

MAX_LONG_BYTES: Final = 1024
"""A big integer: hashes and random-number states fit; conversion to decimal costs quadratic time."""

MAX_MARKS: Final = 100_000
"""Containers that are open at once."""

MAX_DEPTH: Final = 200
"""Nesting of containers that is walked: module trees are under 50 deep."""

MAX_MODULES: Final = 100_000
"""Modules of a pickled tree, each counted at every place where it stands: the largest networks have some ten thousand."""

MAX_DIMENSIONS: Final = 64
"""Dimensions of a tensor: numpy and torch agree on this bound."""

MAX_ELEMENTS: Final = 2**63 - 1
"""Elements and byte offsets are signed 64-bit integers in torch."""

MAX_EXPANSION: Final = 4096
"""How many times larger than its storage an expanded (zero-stride) view may be once it is above `MAX_EXPANDED_BYTES`."""

MAX_EXPANDED_BYTES: Final = 64 * MIB
"""Expanded views below this are always read, whatever their ratio."""

MAX_RECORDS: Final = 500_000
"""Entries of a zip archive: one a storage."""

MAX_DIRECTORY_BYTES: Final = 128 * MIB
"""The zip's central directory: about 100 bytes an entry."""

MAX_KEY_LENGTH: Final = 1024
"""Characters of a tensor's name: the longest in the zoos is under 150."""

SNIFF_BYTES: Final = 4096
"""The beginning that tells what a file is."""

MAX_HEADER_BYTES: Final = 100_000_000
"""A safetensors header: the bound of the format's own library. JSON of this size is parsed in about two seconds."""

MAX_JSON_VALUES: Final = 8_000_000
"""Values of one JSON text: a safetensors header has about ten a tensor."""

MAX_UNPACKED_FREELY: Final = 64 * MIB
"""A compressed file is unpacked up to this size, whatever its ratio: models that were never trained are zeros and ones."""

MAX_UNPACKED_RATIO: Final = 50
"""How many times larger a compressed file may become above that; trained weights shrink by a tenth, pruned ones to a tenth."""

MAX_CODE_BYTES: Final = 16 * MIB
"""Source text in one file: the program of a large TorchScript model has a few hundred KiB."""

MAX_ARRAY_HEADER: Final = 4096
"""Header of one numpy array: type, order and shape; numpy writes 128 bytes, or more only for many named fields."""

MAX_BARE_PICKLE: Final = 2048 * MIB
"""A pickle that torch did not frame holds its weights as texts, and is decoded in memory."""

MAX_NESTING: Final = 4
"""Torch files inside a pickle inside a torch file: honest ones are one deep."""

MAX_TAR_MEMBERS: Final = 100
"""Files of a tar archive that are listed: torch wrote four."""

MAX_SHARDS: Final = 500
"""Files of one sharded checkpoint; each stays open. The largest published ones have under 200."""

MAX_FOLDER_STORAGES: Final = 500
"""Files of an unzipped checkpoint that are opened: a process may usually have 1,024 open files."""

MAX_FOLDER_ENTRIES: Final = 100_000
"""Names of a folder that are looked at."""
