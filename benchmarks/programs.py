"""Which runtimes run which networks, how far their answers are from eager torch's, and what a bundle of them weighs.

Every network is packed, and each of its programs verified in a session of its own. AOTInductor and torch.compile take a minute or more
a network. One run writes one JSON, and the page that is made of it.

    python benchmarks/programs.py -o benchmarks/results/programs.json --page docs/runtimes.md
    python benchmarks/programs.py --only mlp demo --without-compilers       # a look
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from measured import HERE, MB, context, floors, tell

import pthway
from pthway.bundle.environment import environment
from pthway.bundle.manifest import Program

QUESTION: Final = "Which runtimes run which networks, how far are their answers from eager torch's, and what does a bundle of them weigh?"
ROOT: Final = HERE.parent
NETWORKS: Final = ROOT / "tests" / "runtime" / "networks.py"
RUNTIMES: Final = ("eager", "exported", "onnxruntime", "openvino", "aotinductor", "compiled")


class Network(NamedTuple):
    """A weights file, or None for random weights, with its architecture and what it needs to be built."""

    weights: Path | None
    architecture: str
    arguments: Mapping[str, Any] = MappingProxyType({})
    example: Any = None


def ids(*shape: int) -> np.ndarray[Any, Any]:
    """Token ids below thirty."""
    return np.random.default_rng(0).integers(0, 30, shape)


NETWORKS_BY_NAME: Final[dict[str, Network]] = {
    "mlp": Network(ROOT / "examples/mlp/simple_mlp.pth", f"{ROOT / 'examples/mlp/model.py'}:SimpleMLP"),
    "cnn": Network(ROOT / "examples/cnn/simple_cnn.pth", f"{ROOT / 'examples/cnn/model.py'}:SimpleCNN"),
    "custom layer": Network(
        ROOT / "examples/custom_layer/model_custom.pth", f"{ROOT / 'examples/custom_layer/model.py'}:ModelWithCustomLayer"
    ),
    "demo": Network(ROOT / "src/pthway/demo/digits.pth", f"{ROOT / 'src/pthway/demo/digitnet.py'}:DigitNet"),
    "resnet18-like": Network(None, f"{NETWORKS}:ResNet", {"width": 64, "classes": 1000}),
    "vit-like": Network(None, f"{NETWORKS}:Vit", {"size": 224, "patch": 16, "width": 192, "depth": 6, "heads": 3, "classes": 1000}),
    "unet-like": Network(None, f"{NETWORKS}:UNet", {"width": 16}),
    "lstm tagger": Network(None, f"{NETWORKS}:Tagger", {"vocabulary": 1000, "width": 64, "tags": 12}),
    "transformer encoder": Network(
        None, f"{NETWORKS}:Encoder", {"width": 64}, {"input_ids": ids(2, 12), "attention_mask": np.ones((2, 12), np.int64)}
    ),
}


def model_of(network: Network, folder: Path) -> pthway.Model:
    """The model of *network*, whose random weights, if it has no others, are written to *folder*."""
    weights = network.weights
    if weights is None:
        torch.manual_seed(0)
        file, _, name = network.architecture.rpartition(":")
        weights = folder / f"{name}.pth"
        torch.save(class_of(file, name)(**network.arguments).state_dict(), weights)
    return pthway.load(weights, network.architecture, **network.arguments)


def class_of(file: str, name: str) -> Any:
    """The class *name* of a file."""
    sys.path.insert(0, str(Path(file).parent))
    try:
        return getattr(__import__(Path(file).stem), name)
    finally:
        sys.path.pop(0)


def packed(name: str, network: Network, folder: Path, compilers: bool) -> dict[str, Any]:  # noqa: FBT001
    """Runtime → what its program came to, or why there is none; each verified by a session of its own."""
    model = model_of(network, folder)
    start = time.perf_counter()
    bundle = pthway.pack(model, folder / f"{name}.bundle", example=network.example, force=True)
    seconds = time.perf_counter() - start
    found = {program.runtime: ran(bundle, program) for program in bundle.manifest.programs}
    found |= {note.partition(":")[0]: {"refused": note.partition(": ")[2]} for note in bundle.manifest.notes if note.startswith(RUNTIMES)}
    for runtime in RUNTIMES[4:] if compilers else ():
        try:
            alone = pthway.pack(model, folder / f"{name}-{runtime}.bundle", example=network.example, programs=[runtime], force=True)
            found[runtime] = ran(alone, alone.manifest.programs[0])
        except pthway.PthwayError as refusal:
            found[runtime] = {"refused": refusal.what}
    free = dict.fromkeys(side for each in bundle.manifest.signature.inputs for side in each.shape or () if isinstance(side, str))
    size = {each: file.size for each, file in bundle.manifest.files.items()}
    return {"free": list(free), "seconds": seconds, "sizes": size, "runtimes": found}


def ran(bundle: pthway.Bundle, program: Program) -> dict[str, Any]:
    """How far a session's answers are from the recorded ones, and which sizes it leaves free."""
    verification = pthway.open_session(bundle, runtime=program.runtime).verification
    assert verification.difference is not None  # noqa: S101  # a session is opened only then
    return {
        "absolute": verification.difference.absolute,
        "relative": verification.difference.relative,
        "dynamic": list(program.dynamic),
        "fixed": program.fixed,
        "keeps_nan": program.keeps_nan,
    }


def stored_once(folder: Path, rounds: int) -> dict[str, Any]:
    """A network of 97 MB: its bundle beside its weights, and OpenVINO with the ONNX file beside an IR of its own."""
    openvino: Any = __import__("openvino")
    model = model_of(Network(None, f"{NETWORKS}:ResNet", {"width": 96, "classes": 1000}), folder)
    bundle = pthway.pack(model, folder / "big.bundle", example=torch.randn(2, 3, 64, 64), force=True)
    sizes = {name: file.size for name, file in bundle.manifest.files.items()}
    weights = sum(tensor.nbytes for tensor in model.module.state_dict().values())
    core = openvino.Core()
    openvino.save_model(core.read_model(bundle.file("model.onnx")), folder / "big.xml", compress_to_fp16=False)
    paths = {"onnx": bundle.file("model.onnx"), "ir": folder / "big.xml"}
    samples: dict[str, dict[str, list[float]]] = {name: {"load": [], "call": []} for name in paths}
    x = np.zeros((1, 3, 64, 64), np.float32)
    for _ in range(rounds):
        for name, path in paths.items():
            start = time.perf_counter()
            request = core.compile_model(core.read_model(path), "CPU", {"PERFORMANCE_HINT": "LATENCY"}).create_infer_request()
            samples[name]["load"].append(time.perf_counter() - start)
            samples[name]["call"].append(min(_seconds(lambda: request.infer([x])) for _ in range(10)))  # noqa: B023  # called at once
    ratios = {key: median(a / b for a, b in zip(samples["onnx"][key], samples["ir"][key], strict=True)) for key in ("load", "call")}
    runtimes = [program.runtime for program in bundle.manifest.programs]
    return {"weights": weights, "bundle": sum(sizes.values()), "runtimes": runtimes, "onnx_over_ir": ratios, "samples": samples}


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


HEAD: Final = """# Networks and runtimes

Every network was packed, and each program verified in a session of its own against the recorded answers of eager torch. In a cell: the
largest difference, in parts of the largest number of the output, and what the program fixes. `benchmarks/programs.py` measures and
writes this page; the numbers are in `benchmarks/results/programs.json`. Packages: {packages}.
"""
FOOT: Final = """
AOTInductor and torch.compile call a compiler for a minute or more a network, so `pthway pack` makes them only on
request. “NaN refused” means that the runtime answers a NaN with ordinary-looking numbers; a session refuses such inputs.
{refusals}
Weights are stored once: a network of {weights:.0f} MB gives a bundle of {ratio:.3f} times that with {runtimes}. OpenVINO reads the
ONNX file: loading it took {load:.2f} times what an IR of its own took, a call {call:.2f} times.
"""


def page(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    once = result["stored_once"]
    rows = [
        f"| {name} | {', '.join(of['free'])} | {' | '.join(_cell(of['runtimes'].get(runtime)) for runtime in RUNTIMES)} |"
        for name, of in result["networks"].items()
    ]
    table = [f"| network | free sizes | {' | '.join(RUNTIMES)} |", f"|---|---|{'---|' * len(RUNTIMES)}", *rows]
    head = HEAD.format(packages=", ".join(f"{name} {version}" for name, version in result["packages"].items()))
    foot = FOOT.format(
        refusals="".join(_refusals(result["networks"])),
        weights=once["weights"] / MB,
        ratio=once["bundle"] / once["weights"],
        runtimes=", ".join(once["runtimes"]),
        **once["onnx_over_ir"],
    )
    return "\n".join([head, *table, foot])


def _cell(of: dict[str, Any] | None) -> str:
    if of is None:
        return "–"
    if "refused" in of:
        return "refused"
    fixed = "".join(f", {side} fixed at {size}" for side, size in of["fixed"].items())
    return f"{of['relative']:.0e}{fixed}{'' if of['keeps_nan'] else ', NaN refused'}"


def _refusals(networks: dict[str, Any]) -> Iterator[str]:
    for name, of in networks.items():
        for runtime, told in of["runtimes"].items():
            if "refused" in told:
                yield f"\n{name}, {runtime}: {told['refused']}\n"


def main() -> None:
    """Pack, verify, write the JSON and the page."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("-o", "--output", type=Path, help="file of the JSON; stdout without it")
    parser.add_argument("--page", type=Path, help="file of the table")
    parser.add_argument("--only", nargs="+", choices=NETWORKS_BY_NAME, default=list(NETWORKS_BY_NAME), help="some of the networks")
    parser.add_argument("--rounds", type=int, default=5, help="of loading by OpenVINO")
    parser.add_argument("--without-compilers", action="store_true", help="leave AOTInductor and torch.compile out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        networks = {}
        for name in options.only:
            networks[name] = packed(name, NETWORKS_BY_NAME[name], Path(folder), not options.without_compilers)
            print(name, json.dumps(networks[name]["runtimes"]), file=sys.stderr)
        once = stored_once(Path(folder), options.rounds)
    packages = environment().packages
    rows = [("bundle of 97 MB / its weights", 1.1, once["bundle"] / once["weights"])]
    result = context(QUESTION, {"rounds": options.rounds}) | {
        "packages": packages,
        "floors": floors(rows),
        "networks": networks,
        "stored_once": once,
    }
    code = tell(result, options.output)
    if options.page:
        options.page.write_text(page(result), "utf-8")
    sys.exit(code)


if __name__ == "__main__":
    main()
