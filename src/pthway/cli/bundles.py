"""The commands that make and use bundles, with their options."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from pthway.cli.options import add_labels, add_network, positive
from pthway.cli.preparing import add_preparation, add_reading


def add_bundle_commands(commands: Any) -> None:
    """Add every command of bundles to the parser's *commands*."""
    _add_pack(commands)
    _add_verify(commands)
    _add_evaluate(commands)


def _add_pack(commands: Any) -> None:
    pack: ArgumentParser = commands.add_parser(
        "pack",
        help="write a network with its weights, its recorded answers and its programs as a bundle",
        epilog="example:\n  pthway pack digits.pth --arch digitnet.py:DigitNet -o digits.bundle",
        formatter_class=RawDescriptionHelpFormatter,
    )
    pack.set_defaults(run="pthway.cli.pack:run")
    pack.add_argument("file", type=Path, help="the weights file, or a TorchServe archive, whose own class is then imported")
    pack.add_argument("-o", "--output", type=Path, required=True, metavar="BUNDLE", help="the folder to write, or a .zip")
    add_network(pack)
    add_labels(pack)
    pack.add_argument("--example", metavar="FILE", help="a batch of inputs to record the answers of; random ones without it")
    pack.add_argument("--seed", type=int, default=0, metavar="N", help="of the random inputs")
    pack.add_argument("--program", action="append", metavar="RUNTIME", help="a program to make, such as onnxruntime; may be repeated")
    pack.add_argument("--name", metavar="NAME", help="what the bundle calls itself; the name of its file without this")
    pack.add_argument("--model-version", default="1", metavar="TEXT", help="the version of the model")
    pack.add_argument("--description", default="", metavar="TEXT", help="what it is for")
    pack.add_argument("--licence", default="", metavar="TEXT", help="under which licence the weights may be used")
    add_preparation(pack)
    add_reading(pack)
    own = pack.add_argument_group("functions of your own", "their source is packed, and run by predict")
    own.add_argument("--before", metavar="FILE:NAME", help="is given the arrays by name, and returns those that the network takes")
    own.add_argument("--after", metavar="FILE:NAME", help="is given the outputs by name, and returns those that are answered")
    pack.add_argument("--force", action="store_true", help="overwrite the bundle")
    pack.add_argument("--json", action="store_true", help="print the manifest as JSON")


def _add_verify(commands: Any) -> None:
    verify: ArgumentParser = commands.add_parser("verify", help="run the recorded inputs of a bundle here and now, and compare the answers")
    verify.set_defaults(run="pthway.cli.verify:run")
    verify.add_argument("bundle", type=Path, help="the folder or the .zip")
    verify.add_argument("--runtime", metavar="NAME", help="one runtime, or all: then one that is not installed counts as a failure")
    verify.add_argument("--threads", type=int, metavar="N", help="processors that one call may use; those that are available without it")
    verify.add_argument("--json", action="store_true", help="print the differences as JSON")


def _add_evaluate(commands: Any) -> None:
    evaluate: ArgumentParser = commands.add_parser(
        "evaluate",
        help="say how right a bundle is on data with known answers, alone or beside another",
        epilog="example:\n  pthway evaluate digits.bundle photos/ --against older.bundle --plot digits.png",
        formatter_class=RawDescriptionHelpFormatter,
    )
    evaluate.set_defaults(run="pthway.cli.evaluate:run")
    evaluate.add_argument("bundle", type=Path, help="the folder or the .zip")
    evaluate.add_argument("data", type=Path, metavar="DATA", help="a folder with a folder for each class, a .csv, or a .npz with labels")
    evaluate.add_argument("--target", metavar="NAME", help="the column of a table, or the array, that holds the answers")
    evaluate.add_argument("--runtime", metavar="NAME", help="the runtime to use; the fastest without this")
    evaluate.add_argument("--against", type=Path, metavar="BUNDLE", help="another bundle, on the same samples")
    evaluate.add_argument("--against-runtime", metavar="NAME", help="another runtime, of the other bundle or of the same")
    evaluate.add_argument("--top", type=positive, metavar="K", help="count how often the right class is among so many; 5 without this")
    evaluate.add_argument("--plot", type=Path, metavar="FILE", help="draw the figures: .png, .svg or .pdf")
    evaluate.add_argument("--json", action="store_true", help="print the figures as JSON")
