"""The largest things that are read, each with its reason. Honest files stay far below; an attacker gains nothing above."""

from typing import Final

MIB: Final = 1024 * 1024

MAX_PICKLE_BYTES: Final = 256 * MIB
"""The pickle holds names, shapes and settings, not weights: 100,000 tensors need about 20 MiB."""

MAX_OPCODES: Final = 5_000_000
"""About 32 opcodes a tensor; 5 million are decoded in a few seconds, and integers alone then fill 200 MB."""

MAX_CONTAINERS: Final = 1_600_000
"""Lists, dictionaries with their pairs, tuples, texts and objects of one file, about 15 a tensor: each costs up to 150 bytes, and one
opcode of one byte makes one."""

MAX_CALLS: Final = 100_000
"""Calls of functions without an inert meaning, each kept with its arguments in words; data needs none."""

MAX_GLOBALS: Final = 10_000
"""Names of classes and functions in one file: honest ones hold under 200, and a name may be as long as `MAX_LINE`."""

MAX_FREE_COPY: Final = 64
"""Entries that a call copies without their being counted as containers: two lists of dimensions fit. One opcode can copy a million."""

MAX_WIDE_TEXT: Final = 32 * MIB
"""Texts with characters beyond Latin-1: one such character makes Python store the whole text in four bytes a character."""

MAX_MEMO: Final = 1_500_000
"""Entries of the memo, about 6 a tensor; its indices are free, so that it is counted rather than sized by them."""

MAX_LINE: Final = 4096
"""A text argument (a global's module or name, a decimal number): names are under 200 bytes."""

MAX_DIGITS: Final = 1024
"""A decimal number: conversion costs quadratic time."""

MAX_LONG_BYTES: Final = 1024
"""A big integer: hashes and random-number states fit; conversion to decimal costs quadratic time."""

MAX_MARKS: Final = 100_000
"""Containers that are open at once."""

MAX_DEPTH: Final = 200
"""Nesting of containers that is walked: module trees are under 50 deep."""

MAX_MODULES: Final = 100_000
"""Modules of a pickled tree, each counted at every place where it stands, and entries of ``_metadata``, which has one for each: the
largest networks have some ten thousand."""

MAX_DIMENSIONS: Final = 64
"""Dimensions of a tensor: numpy and torch agree on this bound."""

MAX_ELEMENTS: Final = 2**63 - 1
"""Elements and byte offsets are signed 64-bit integers in torch."""

MAX_EXPANSION: Final = 16
"""How many times larger than its storage an expanded (zero-stride) view may be once it is above `MAX_EXPANDED_BYTES`."""

MAX_EXPANDED_BYTES: Final = 64 * MIB
"""Expanded views below this are always read, whatever their ratio."""

MAX_RECORDS: Final = 250_000
"""Entries of a zip archive: one a storage. Each costs up to 17 µs before it is known to be needed."""

MAX_TENSORS: Final = 100_000
"""Tensors of a safetensors file, each of which costs 57 µs and 2 kB; the largest published ones have some ten thousand a file."""

MAX_DIRECTORY_BYTES: Final = 64 * MIB
"""The zip's central directory: about 100 bytes an entry."""

MAX_RECORD_NAME: Final = 4096
"""Bytes of a record's name, as of a path on Linux."""

MAX_EXTRA_FIELDS: Final = 6
"""Extra fields of one record, before the one that is looked for: torch and zip tools write up to four."""

MAX_KEY_LENGTH: Final = 1024
"""Characters of a tensor's name: the longest in the zoos is under 150."""

MAX_PATH: Final = 1024
"""Characters of the path of a dictionary that is walked: the names of all that it lies in."""

MAX_NAME_CHARACTERS: Final = 32 * MIB
"""Characters of all names in a tree of modules, with `NAME_COST` for each entry: 100,000 tensors need about 10 million."""

NAME_COST: Final = 16

MAX_SHOWN_CHARACTERS: Final = 32 * MIB
"""What is shown of everything beside the weights: characters of texts, and `SHOWN_COST` for each value."""

SHOWN_COST: Final = 64

MAX_STATE_DICTS: Final = 20_000
"""Dictionaries of tensors that stand beside each other: one of each network, and one of each parameter for an optimizer."""

MAX_WRAPPERS: Final = 8
"""Prefixes of wrappers around wrappers: honest ones are three deep."""

SNIFF_BYTES: Final = 4096
"""The beginning that tells what a file is."""

MAX_HEADER_BYTES: Final = 100_000_000
"""A safetensors header: the bound of the format's own library."""

MAX_JSON_VALUES: Final = 2_000_000
"""Values of one JSON text: a safetensors header has about ten a tensor."""

MAX_JSON_CONTAINERS: Final = 1_100_000
"""Lists and objects of one JSON text: a safetensors header has three a tensor."""

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
