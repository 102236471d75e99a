"""A model folder of MLflow: its pyfunc flavour opens the bundle inside. The layout is that of MLflow's page "MLflow Models"."""

import json
import platform
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from pthway import _lazy
from pthway.bundle.folder import Bundle
from pthway.onward.copied import copy_bundle, requirements
from pthway.onward.mlflow_pyfunc import Predictor, _load_pyfunc
from pthway.onward.target import Written
from pthway.runtime.runner import Array, Runner
from pthway.runtime.session import Session
from pthway.signature import Input, Output

DATA: Final = "bundle"
LOADER: Final = "pthway.onward.mlflow_pyfunc"
WRITTEN_FOR: Final = "2.12.0"
"""The oldest MLflow whose layout this is; MLflow compares it with its own."""


def write(bundle: Bundle, out: Path) -> Written:
    """Write the folder, and call the model in it: by MLflow where that is installed, else by the function that MLflow calls."""
    session = copy_bundle(bundle, out / DATA)
    needed = requirements(session)
    (out / "requirements.txt").write_text("".join(f"{each}\n" for each in needed), "utf-8")
    python = platform.python_version()
    (out / "python_env.yaml").write_text(f'python: "{python}"\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n', "utf-8")
    (out / "MLmodel").write_text(_description(bundle, python), "utf-8")
    if find_spec("mlflow") is not None:
        loaded = _lazy.load("mlflow.pyfunc:load_model")(str(out))
        return Written(_runner(loaded, session), f"mlflow {_mlflow()}")
    told = "MLflow is not installed here: its loader was called without it."
    return Written(_runner(_load_pyfunc(str(out / DATA)), session), f"{LOADER}, with {session.runtime}", (told,))


def _mlflow() -> str:
    for name in ("mlflow", "mlflow-skinny"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of an unknown release"


def _description(bundle: Bundle, python: str) -> str:
    """The file ``MLmodel``: YAML, of which JSON is a part."""
    signature = bundle.manifest.signature
    told = {
        "flavors": {
            "python_function": {
                "data": DATA,
                "env": {"virtualenv": "python_env.yaml"},
                "loader_module": LOADER,
                "python_version": python,
            }
        },
        "mlflow_version": WRITTEN_FOR,
        "model_uuid": uuid.uuid4().hex,
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "metadata": {"pthway.name": bundle.manifest.name, "pthway.version": bundle.manifest.version},
        "signature": {"inputs": _schema(signature.inputs), "outputs": _schema(signature.outputs), "params": None},
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _schema(sides: Sequence[Input | Output]) -> str:
    """Tensors of MLflow's schema: without names where there is one, so that it is given as an array."""
    named = [{"name": each.name} if len(sides) > 1 else {} for each in sides]
    shapes = [[side if isinstance(side, int) else -1 for side in each.shape or ()] for each in sides]
    specs = [{"dtype": each.dtype, "shape": shape} for each, shape in zip(sides, shapes, strict=True)]
    return json.dumps([{**name, "type": "tensor", "tensor-spec": spec} for name, spec in zip(named, specs, strict=True)])


def _runner(model: Predictor | Any, session: Session) -> Runner:
    inputs, outputs = session.signature.inputs, session.signature.outputs

    def run(given: Sequence[Array], /) -> Sequence[Array]:
        named = {each.name: array for each, array in zip(inputs, given, strict=True)}
        answers = model.predict(named if len(named) > 1 else given[0])
        return [answers[each.name] for each in outputs] if isinstance(answers, dict) else [answers]

    return run
