"""Options that several commands have."""

from argparse import ArgumentParser
from pathlib import Path


def positive(text: str) -> int:
    """A whole number from 1; argparse shows the refusal."""
    number = int(text)
    if number < 1:
        raise ValueError("not positive")
    return number


def add_network(command: ArgumentParser) -> None:
    """The options that say which network the weights belong to."""
    command.add_argument("--arch", metavar="WHERE:NAME", help="the architecture: file.py:Name, package.module:Name or timm:NAME")
    command.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="a constructor argument; the others are solved")
    command.add_argument("--weights", metavar="NAME", help="which of several state dicts: ema, raw, or its path in the file")


def add_labels(command: ArgumentParser) -> None:
    """The option that names the classes."""
    command.add_argument("--labels", type=Path, metavar="FILE", help="a text file with the name of each class, a line each")
