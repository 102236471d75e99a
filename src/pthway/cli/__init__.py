"""``pthway``: argv → one public verb → rendered.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 the file or input was refused. The command's own module is imported only
when it is asked for: to inspect a file must cost no more than a look.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from pthway import __version__, _lazy
from pthway.cli.bundles import add_bundle_commands
from pthway.cli.options import add_labels, add_network, positive
from pthway.cli.preparing import add_preparation, add_reading
from pthway.errors import ArchitectureNotFound, MissingDependency, PthwayError, UsageError

NO = 1
REFUSED = 3
WRONG_USAGE = 2


def main() -> None:
    """Run the command line; a deliberate error is printed without a traceback, and decides the exit code."""
    options = parser().parse_args()
    try:
        sys.exit(_lazy.load(options.run)(options))
    except PthwayError as error:
        if options.debug:
            raise
        _lazy.load("pthway.cli.screen:print_error")(error)
        sys.exit(WRONG_USAGE if isinstance(error, (UsageError, ArchitectureNotFound, MissingDependency)) else REFUSED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: Python would complain once more when it flushes
        sys.exit(0)


def _seconds(text: str) -> float:
    """``60``, ``60s`` or ``2m`` in seconds."""
    seconds = float(text.removesuffix("m")) * 60 if text.endswith("m") else float(text.removesuffix("s"))
    if not 0 < seconds < float("inf"):
        raise ValueError("not a time")
    return seconds


def parser() -> ArgumentParser:
    """Every command with its options."""
    root = ArgumentParser("pthway", description="From a .pth file to a prediction you can trust.")
    root.add_argument("--version", action="version", version=__version__)
    root.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = root.add_subparsers(metavar="COMMAND", required=True)

    inspect = commands.add_parser("inspect", help="say what a weights file is, without running anything in it")
    inspect.set_defaults(run="pthway.cli.inspect:run")
    inspect.add_argument("file", type=Path, help="the weights file")
    inspect.add_argument("--modules", action="store_true", help="list every module, however many there are")
    inspect.add_argument("--tensors", action="store_true", help="list every tensor")
    inspect.add_argument("--stats", action="store_true", help="read every number: smallest, largest, mean, deviation, NaN, zeros")
    inspect.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page for a browser: a map of the modules, and a histogram of every tensor"
    )
    inspect.add_argument("--json", action="store_true", help="print everything as JSON")

    identify = commands.add_parser("identify", help="say which network of torchvision or timm a weights file belongs to, without them")
    identify.set_defaults(run="pthway.cli.identify:run")
    identify.add_argument("file", type=Path, help="the weights file")
    identify.add_argument("--weights", metavar="NAME", help="which of several state dicts: ema, raw, or its path in the file")
    identify.add_argument("--json", action="store_true", help="print everything as JSON")

    convert = commands.add_parser("convert", help="write the weights of a file as .safetensors, .npz or a plain .pth")
    convert.set_defaults(run="pthway.cli.convert:run")
    convert.add_argument("file", type=Path, help="the weights file")
    convert.add_argument("output", type=Path, metavar="OUT", help="the new file; its ending says the format: .safetensors, .npz, .pth")
    convert.add_argument("--weights", metavar="NAME", help="which of several state dicts: ema, raw, or its path in the file")
    kinds = convert.add_mutually_exclusive_group()
    kinds.add_argument("--half", action="store_true", help="floating-point tensors as float16; too large a number is an error")
    kinds.add_argument("--bfloat16", action="store_true", help="floating-point tensors as bfloat16")
    convert.add_argument("--json", action="store_true", help="print what was done as JSON")

    diff = commands.add_parser("diff", help="say which tensors of two weights files differ, and by how much")
    diff.set_defaults(run="pthway.cli.diff:run")
    diff.add_argument("first", type=Path, metavar="A", help="a weights file")
    diff.add_argument("second", type=Path, metavar="B", help="another")
    diff.add_argument("--weights", metavar="NAME", help="which of several state dicts, in both files")
    diff.add_argument("--json", action="store_true", help="print the differences as JSON")

    find = commands.add_parser("find", help="say which class of a source tree the weights belong to, without running any of it")
    find.set_defaults(run="pthway.cli.find:run")
    find.add_argument("file", type=Path, help="the weights file")
    find.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="where the Python files are")
    find.add_argument("--weights", metavar="NAME", help="which of several state dicts: ema, raw, or its path in the file")
    find.add_argument("--top", type=positive, default=5, metavar="N", help="how many classes to show")
    find.add_argument("--load", action="store_true", help="import the class that fits, solve its arguments and load the weights")
    find.add_argument("--json", action="store_true", help="print the classes as JSON")

    predict = commands.add_parser(
        "predict",
        help="predict with the weights of a file in the network of a class, or with a bundle",
        epilog="example:\n  pthway predict digits.pth --arch digitnet.py:DigitNet images/*.png",
        formatter_class=RawDescriptionHelpFormatter,
    )
    predict.set_defaults(run="pthway.cli.predict:run")
    predict.add_argument("file", type=Path, help="the weights file, or a bundle, which needs no --arch")
    predict.add_argument("inputs", nargs="+", metavar="INPUT", help=".npy, .npz, .csv, .json or an image; - is standard input")
    add_network(predict)
    add_labels(predict)
    predict.add_argument("--runtime", metavar="NAME", help="of a bundle: the runtime to use; the fastest without this")
    add_preparation(predict)
    add_reading(predict)
    predict.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the answers: .npy, .npz, .csv or .jsonl")
    predict.add_argument("--json", action="store_true", help="print the answers as JSON")

    scaffold = commands.add_parser("scaffold", help="write a Python class that has the tensors of a file, where nobody has the class")
    scaffold.set_defaults(run="pthway.cli.scaffold:run")
    scaffold.add_argument("file", type=Path, help="the weights file")
    scaffold.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the Python file to write")
    scaffold.add_argument(
        "--activation", metavar="LAYER", help="what stands between the layers of a plain chain, such as relu or LeakyReLU(0.2)"
    )
    scaffold.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="settle what the weights leave open: features.2=MaxPool2d(2), or conv1.stride=2; * stands for any text; may be repeated",
    )
    scaffold.add_argument("--force", action="store_true", help="overwrite the Python file")
    scaffold.add_argument("--weights", metavar="NAME", help="which of several state dicts: ema, raw, or its path in the file")
    scaffold.add_argument("--json", action="store_true", help="print what was done as JSON")

    check = commands.add_parser("check", help="try a network with its weights: finite, the same twice, the same alone as in a batch")
    check.set_defaults(run="pthway.cli.check:run")
    check.add_argument("file", type=Path, help="the weights file")
    add_network(check)
    check.add_argument("--input", metavar="FILE", help="a batch of inputs to try it on, as for predict; random ones without it")
    check.add_argument("--batch-size", action="append", type=int, default=[], metavar="N", help="a size that will be used; may be repeated")
    check.add_argument("--json", action="store_true", help="print the report as JSON")

    export = commands.add_parser("export", help="write a bundle as what another program serves, proved by its golden record")
    export.set_defaults(run="pthway.cli.export:run")
    export.add_argument("bundle", type=Path, help="a bundle, or the .zip of one")
    export.add_argument(
        "--to", required=True, metavar="TARGET", help="safetensors, onnx, pt2, openvino, torchscript, mlflow, triton or dockerfile"
    )
    export.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the file or folder to write")
    export.add_argument("--force", action="store_true", help="overwrite it")
    export.add_argument("--json", action="store_true", help="print what was done as JSON")

    _add_serve(commands)

    tune = commands.add_parser("tune", help="find the fastest way to run a bundle on this machine, and use it from then on")
    tune.set_defaults(run="pthway.cli.tune:run")
    tune.add_argument("bundle", type=Path, help="a folder or .zip that pthway pack wrote")
    tune.add_argument("--budget", type=_seconds, default=60.0, metavar="TIME", help="for measuring: 60s, 2m; loading comes on top")
    tune.add_argument("--runtime", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    tune.add_argument("--batch-size", action="append", type=positive, default=[], metavar="N", help="may be repeated; 1, 8 and 32 without")
    tune.add_argument("--channels-last", action="store_true", help="also try eager torch with the channels of images innermost")
    tune.add_argument("--bfloat16", action="store_true", help="also try bfloat16, other numbers: needs --accuracy and --data")
    tune.add_argument("--int8", action="store_true", help="also try 8-bit weights, other numbers: needs --accuracy and --data")
    tune.add_argument("--accuracy", type=float, metavar="PART", help="how far other numbers may be off, in parts of the largest: 0.01")
    tune.add_argument("--data", metavar="FILE", help="inputs on which that is measured, as for predict")
    tune.add_argument("--plot", type=Path, metavar="FILE.png", help="draw latency and throughput over the number of samples")
    tune.add_argument("--html", type=Path, metavar="FILE", help="write a page for a browser: table and picture")
    tune.add_argument("--json", action="store_true", help="print everything that was measured as JSON")

    add_bundle_commands(commands)

    demo = commands.add_parser("demo", help="the main job on a real file that comes with the package")
    demo.set_defaults(run="pthway.cli.demo:run")
    return root


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="serve bundles, or a weights file with its class, over HTTP",
        epilog="example:\n  pthway serve digits.bundle --port 8000\n  curl -T images/0_three.png http://127.0.0.1:8000/predict",
        formatter_class=RawDescriptionHelpFormatter,
    )
    serve.set_defaults(run="pthway.cli.serve:run")
    serve.add_argument("paths", nargs="+", type=Path, metavar="BUNDLE", help="bundles; or one weights file, which is packed first")
    add_network(serve)
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen; only this machine without it")
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="0 for any that is free")
    serve.add_argument("--workers", type=positive, default=1, metavar="N", help="processes")
    serve.add_argument("--threads", type=positive, metavar="N", help="processors of one call; all, divided among workers, without it")
    serve.add_argument("--runtime", metavar="NAME", help="a runtime of the bundle; the fastest that is verified without it")
    serve.add_argument("--queue", type=positive, default=512, metavar="N", help="samples that may wait; more are refused with 503")
    serve.add_argument("--batch", type=positive, metavar="N", help="samples of one call; found by measuring without it; 1: no batching")
    serve.add_argument("--window", type=float, default=0.0, metavar="SECONDS", help="that a batch waits to be filled")
    serve.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="after which a request without an answer is given up")
    serve.add_argument("--max-body", type=positive, default=64, metavar="MIB", help="of a body, also unpacked")
    serve.add_argument("--api-key-file", type=Path, metavar="FILE", help="keys, a line each, one of which a request must bear")
    serve.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="a name that it may be addressed by; * for any")
    serve.add_argument("--allow-origin", action="append", default=[], metavar="ORIGIN", help="whose pages may use it: https://example.org")
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="a certificate, PEM")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, PEM")
    serve.add_argument("--log", choices=("text", "json", "off"), default="text", help="a line a request, on stderr")
    serve.add_argument("--reload", action="store_true", help="serve a bundle anew when it changes; SIGHUP does so once")
