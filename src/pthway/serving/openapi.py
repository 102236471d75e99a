"""The OpenAPI description of a server, made from the signatures of its models, with examples that work as they are."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from pthway import __version__
from pthway.bundle.golden import NAN
from pthway.serving.hosted import Hosted
from pthway.serving.open_inference import TYPES as DATATYPES
from pthway.signature import Input

MAX_EXAMPLE: Final = 4096
"""Numbers of an example; larger inputs have none, since nobody pastes them."""
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {"b": {"type": "boolean"}, "i": {"type": "integer"}, "u": {"type": "integer", "minimum": 0}}
"""How JSON has whole numbers and booleans, by numpy's letter; everything else is a number."""
ERROR: Final[Mapping[str, Any]] = {
    "description": "What is wrong, why, and what to do.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
ERRORS: Final[Mapping[str, Any]] = dict.fromkeys(
    ("400", "401", "403", "404", "405", "406", "408", "413", "415", "421", "431", "500", "501", "503", "504"), ERROR
)


def openapi(hosted: Sequence[Hosted]) -> dict[str, Any]:
    """The description, OpenAPI 3.1."""
    newest = {each.name: each for each in hosted}
    paths: dict[str, Any] = {}
    for each in newest.values():
        paths[f"/models/{each.name}/predict"] = _predict(each, f"predict_{each.name}")
        paths[f"/v2/models/{each.name}/infer"] = {"post": _infer(each)}
        paths[f"/v2/models/{each.name}"] = {"get": _get("The model's inputs, outputs and versions")}
        paths[f"/v2/models/{each.name}/ready"] = {"get": _get("Whether the model answers")}
    if len(newest) == 1:
        paths["/predict"] = _predict(next(iter(newest.values())), "predict")
    for path, told in (
        ("/v2/health/live", "Whether the process lives"),
        ("/v2/health/ready", "Whether every model is loaded, verified and warm"),
        ("/models", "The models with their signatures"),
        ("/v2", "The server's name, version and extensions"),
    ):
        paths[path] = {"get": _get(told)}
    paths["/v2/repository/index"] = {"post": _get("Every version of every model")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "pthway", "version": __version__, "description": "Predictions of the models that this server was given."},
        "paths": paths,
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string"}},
                    "additionalProperties": False,
                }
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _get(summary: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _ok({}), **ERRORS}}


def _ok(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": "The answer.", "content": {"application/json": {"schema": schema}}}


def _predict(each: Hosted, operation: str) -> dict[str, Any]:
    inputs = each.manifest.signature.inputs
    arrays = {wanted.name: _array_schema(wanted) for wanted in inputs}
    named = {"type": "object", "properties": arrays, "required": list(arrays), "additionalProperties": False}
    schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"anyOf": [named, *arrays.values()]} if len(inputs) == 1 else named},
        "additionalProperties": False,
    }
    anything: dict[str, Any] = {kind: {} for kind in ("image/*", "application/x-npy", "text/csv", "multipart/form-data")}
    content: dict[str, Any] = {"application/json": {"schema": schema}, **anything}
    found = example(each)
    if found is not None:
        content["application/json"]["example"] = {"inputs": found if len(found) > 1 else next(iter(found.values()))}
    answer = {
        "type": "object",
        "required": ["model", "version", "outputs"],
        "properties": {
            "model": {"const": each.name},
            "version": {"type": "string"},
            "outputs": {"type": "object"},
            "predictions": {"type": "array", "items": {"type": "object", "required": ["label", "probability", "top"]}},
            "reading": {"type": "string"},
        },
    }
    found = {**_ok(answer), "content": {"application/json": {"schema": answer}, "application/x-npy": {}, "text/csv": {}}}

    def described(name: str) -> dict[str, Any]:
        return {
            "operationId": name,
            "summary": each.manifest.description or f"Predict with {each.name}",
            "description": f"Takes and gives {each.manifest.signature}",
            "requestBody": {"required": True, "content": content},
            "responses": {"200": found, **ERRORS},
        }

    return {"post": described(operation), "put": described(f"{operation}_put")}


def _infer(each: Hosted) -> dict[str, Any]:
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"enum": [wanted.name for wanted in each.manifest.signature.inputs]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"enum": list(DATATYPES)},
            "data": {"type": "array", "description": "In their order, flat or nested; or binary_data_size stands among the parameters."},
            "parameters": {"type": "object"},
        },
    }
    schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"id": {"type": "string"}, "inputs": {"type": "array", "items": tensor}, "parameters": {"type": "object"}},
    }
    answer = _ok({"type": "object", "required": ["model_name", "outputs"]})
    answer["content"]["application/octet-stream"] = {}
    return {
        "operationId": f"infer_{each.name}",
        "summary": f"Infer with {each.name}, by the Open Inference Protocol",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": answer, **ERRORS},
    }


def _array_schema(wanted: Input) -> dict[str, Any]:
    schema: dict[str, Any] = {**KINDS.get(np.dtype(wanted.dtype or "float32").kind, {"type": "number"})}
    if wanted.vocabulary is not None:
        schema |= {"minimum": 0, "maximum": wanted.vocabulary - 1}
    for side in reversed(wanted.shape or ()):
        schema = {"type": "array", "items": schema, "minItems": side if isinstance(side, int) else 1}
        if isinstance(side, int):
            schema["maxItems"] = side
    return schema


def example(each: Hosted) -> dict[str, Any] | None:
    """The first recorded sample, by input, whose answer is known to be right; None if it is too large to be pasted."""
    records = each.session.bundle.records()
    record = next(record for name, record in records.items() if name != NAN)
    axes = each.axes.inputs
    if sum(math.prod(array.shape) for array in record.inputs.values()) > MAX_EXAMPLE:
        return None
    return {name: np.take(array, [0], axes[name]).tolist() for name, array in record.inputs.items()}
