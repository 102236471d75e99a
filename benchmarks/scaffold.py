"""Whether the classes that `pthway scaffold` writes load strictly, for architectures that it has never seen.

Each network of torchvision and timm is built without numbers, its state dict saved, a class written from the file, and the real
file loaded strictly into an instance of it by torch alone; names, shapes and types of both state dicts must be equal. One run
writes one JSON. It needs torchvision and timm, which the project's own environment does not have.

    python benchmarks/scaffold.py -o scaffold.json       # exit code 1 when one does not load
"""

import argparse
import gc
import importlib.util
import inspect
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import timm
import torch
import torchvision
from torch import nn

from pthway.architecture.build import build as built
from pthway.architecture.match import Architecture
from pthway.architecture.scaffold.scaffold import Source, scaffold
from pthway.checkpoint import open_checkpoint
from pthway.cli.scaffold import told_by
from pthway.errors import ConstructorFailed

QUESTION = "Does the class that pthway scaffold writes load the checkpoint strictly?"
PARAMETERS = 60_000_000
"""Larger networks of a family repeat the blocks of its smaller ones."""
TIMM = (
    "resnet18d", "resnext50_32x4d", "seresnet50", "densenet121", "efficientnet_b0", "mobilenetv3_large_100", "regnety_004",
    "vit_tiny_patch16_224", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "convnext_atto", "convnextv2_atto", "mixer_s32_224",
    "resmlp_12_224", "gmlp_s16_224", "poolformer_s12", "pvt_v2_b0", "edgenext_xx_small", "mobilevit_xxs", "ghostnet_100", "hrnet_w18_small",
    "dla34", "res2net50_26w_4s", "rexnet_100", "coat_tiny", "crossvit_tiny_240", "levit_128s", "cait_xxs24_224", "xcit_nano_12_p16_224",
    "beit_base_patch16_224", "volo_d1_224", "twins_svt_small", "nf_regnet_b1", "repvgg_a0", "fbnetc_100", "tinynet_e", "lcnet_050",
    "inception_v3", "xception41", "dpn48b", "selecsls42", "vovnet39a", "halonet26t", "lambda_resnet26t", "botnet26t_256", "eca_resnet33ts",
    "maxvit_pico_rw_256", "efficientformer_l1", "fastvit_t8", "repvit_m0_9",
)  # fmt: skip


def networks() -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Name and builder of every network that is tried."""
    for name in torchvision.models.list_models():
        takes = inspect.signature(torchvision.models.get_model_builder(name)).parameters
        nothing: dict[str, Any] = {key: None for key in ("weights", "weights_backbone") if key in takes}  # so that nothing is downloaded
        yield f"torchvision {name}", lambda name=name, nothing=nothing: torchvision.models.get_model(name, **nothing)  # type: ignore[misc]
    for name in TIMM:
        yield f"timm {name}", lambda name=name: timm.create_model(name)  # type: ignore[misc]


def tried(name: str, build: Callable[[], nn.Module], folder: Path) -> dict[str, Any] | None:
    """What became of one network; None if it is larger than `PARAMETERS`, or this version of its library does not build it."""
    try:
        module = built(Architecture(name, build, None), {}).module
    except ConstructorFailed:
        return None
    if sum(parameter.numel() for parameter in module.parameters()) > PARAMETERS:
        return None
    file, output = folder / "weights.pth", folder / f"{name.replace(' ', '_')}.py"
    state = module.state_dict()
    for key, value in state.items():  # the numbers do not matter here, and initialising them takes most of the time
        state[key] = torch.zeros_like(value, device="cpu")
    torch.save(state, file)
    start = time.perf_counter()
    checkpoint = open_checkpoint(file)
    written = scaffold(told_by(checkpoint, checkpoint.choose()), Source(file.name, output.name))
    seconds = time.perf_counter() - start
    output.write_text(written.text, "utf-8")
    fault = strict(output, file)
    facts = {key: value for key, value in written._asdict().items() if key != "text"}
    lines = written.text.count("\n")
    return {
        "name": name,
        "tensors": len(state),
        "loads": fault is None,
        "fault": fault,
        "seconds": seconds,
        "lines": lines,
        **facts,
    }


def strict(output: Path, file: Path) -> str | None:
    """Why torch does not load *file* into the class of *output* with every name, shape and type; None if it does."""
    spec = importlib.util.spec_from_file_location("scaffolded", output)
    assert spec is not None and spec.loader is not None  # noqa: S101
    home = importlib.util.module_from_spec(spec)
    state = torch.load(file, weights_only=True)
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            spec.loader.exec_module(home)
            module = home.Model()
        built = {key: (value.shape, value.dtype) for key, value in module.state_dict().items()}
        module.load_state_dict(state, strict=True, assign=True)
    except Exception as cause:  # noqa: BLE001  # whatever goes wrong is the answer
        return f"{type(cause).__name__}: {str(cause)[:300]}"
    wanted = {key: (value.shape, value.dtype) for key, value in state.items()}
    return None if built == wanted else f"other names, shapes or types: {list(built.items() ^ wanted.items())[:2]}"


def ruff(folder: Path, program: str) -> str:
    """What ruff says of every file with its own rules."""
    done = subprocess.run(
        [program, "check", "--isolated", "--output-format", "concise", folder], capture_output=True, text=True, check=False
    )
    return done.stdout.strip().splitlines()[-1]


def main() -> int:
    """Try every network, and write what became of it."""
    options = argparse.ArgumentParser()
    options.add_argument("-o", "--output", type=Path)
    options.add_argument("--ruff", default=shutil.which("ruff"), help="the program that checks the files")
    options.add_argument("--keep", type=Path, help="a folder for the files that were written")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        for name, build in networks():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = tried(name, build, folder)
            if result is not None:
                found.append(result)
                sys.stderr.write(f"{'ok  ' if result['loads'] else 'FAIL'} {name} {result['fault'] or ''}\n")
            gc.collect()
        (folder / "weights.pth").unlink()
        style = ruff(folder, chosen.ruff) if chosen.ruff else "ruff is not installed"
    told = {
        "question": QUESTION,
        "machine": {"platform": platform.platform(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("torch", "torchvision", "timm")},
        "networks": len(found),
        "load_strictly": sum(result["loads"] for result in found),
        "ruff": style,
        "median_seconds": median(result["seconds"] for result in found),
        "results": found,
    }
    text = json.dumps(told, indent=1)
    if chosen.output:
        chosen.output.write_text(text + "\n", "utf-8")
    else:
        sys.stdout.write(text + "\n")
    return 0 if all(result["loads"] for result in found) else 1


if __name__ == "__main__":
    sys.exit(main())
