"""How much a file of inputs may ask for. Honest files stay far below; the reason stands beside each number."""

from typing import Final

IMAGE_PIXELS: Final = 89_478_485
"""Where Pillow itself begins to warn of decompression bombs: a quarter of a gigabyte as RGB, one gigabyte as float32."""

STREAM_BYTES: Final = 1 << 30
"""Standard input and pipes tell no size beforehand, so reading has to stop somewhere."""

JSON_BYTES: Final = 1 << 26
"""Parsed JSON takes up to twenty times its size in memory; 64 MiB of text stay below 1.5 GB."""

JSON_DEPTH: Final = 16
"""Dimensions of an array; networks take four or five."""

CSV_BYTES: Final = 1 << 28
"""A table this long (some 30 million numbers) belongs into a .npy file; parsed, it needs about 2 GB."""

CSV_CELL_CHARACTERS: Final = 400
"""The longest decimal that means something as float64 has 17 digits; a column's name may be longer."""

NPY_DIMENSIONS: Final = 32
"""What every numpy version can hold."""

NPY_HEADER_BYTES: Final = 10_000
"""numpy's own limit on a header of untrusted origin."""

NPZ_MEMBERS: Final = 1024
"""Inputs of one network; a handful is usual."""

NPZ_INFLATED_BYTES: Final = 1 << 30
"""Deflate shrinks zeros a thousandfold: what compressed members may unfold to, all together."""
