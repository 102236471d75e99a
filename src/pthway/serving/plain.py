"""Plain requests and answers: JSON, an image, .npy or CSV in the body, or a form; JSON, .npy or CSV back."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from python_multipart import parse_form
from python_multipart.exceptions import FormParserError

from pthway.data.json_text import read_json
from pthway.data.preparation import PLAIN_PREPARATION, of_images
from pthway.data.prepare import inputs_of
from pthway.data.present import Answer
from pthway.data.source import Source
from pthway.data.write import as_csv
from pthway.runtime.session import Session, Taken
from pthway.serving.hosted import Hosted
from pthway.serving.http import JSON, HttpError, Response

Array = npt.NDArray[Any]

NPY: Final = "application/x-npy"
CSV: Final = "text/csv"
FORM: Final = "multipart/form-data"
MAX_PARTS: Final = 64
SHOWN_CLASSES: Final = 5
"""Classes of an answer, where the bundle does not say how many."""
_QUICK: Final[Sequence[msgspec.json.Decoder[Any]]] = (
    msgspec.json.Decoder(dict[str, list[float]]),
    msgspec.json.Decoder(dict[str, list[list[float]]]),
    msgspec.json.Decoder(dict[str, list[list[list[list[float]]]]]),
)
"""For the common requests: one input, as numbers of one, two or four dimensions. Strict: no text, no null, no boolean is a number."""


def take(session: Session, body: bytes, content_type: str) -> Taken:
    """What *body* asks of a model. Raises `InputRefused`, `LimitExceeded` or `HttpError` for what it cannot be."""
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        raise HttpError(400, "The request has no body.", "The body is what is predicted.", 'Send {"inputs": …}, an image, .npy or CSV.')
    if kind == FORM:
        return session.take(_form(session, body, content_type))
    if kind == JSON or body.lstrip()[:1] in (b"{", b"["):
        return session.take(_json(session, body))
    return session.take(_file(session, "the request", body))


def _json(session: Session, body: bytes) -> Any:
    quick = all(each.dtype == "float32" for each in session.signature.inputs)
    for decoder in _QUICK if quick else ():
        try:
            message = decoder.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
        if message.keys() != {"inputs"}:
            break
        try:
            with np.errstate(over="raise"):
                return np.array(message["inputs"], np.float32)
        except (ValueError, FloatingPointError):
            break  # uneven lists, or a number that no float32 is: told apart below
    arrays, _ = read_json(_inner(body).decode("utf-8-sig", "replace"), "the request")
    return arrays[""] if set(arrays) == {""} else arrays


def _inner(body: bytes) -> bytes:
    """What stands under the one key ``inputs``; all of the body if there is no such key."""
    try:
        message = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return body
    return bytes(message["inputs"]) if message.keys() == {"inputs"} else body


def _file(session: Session, name: str, data: bytes) -> Any:
    preparation = of_images(session.bundle.manifest.preparation or PLAIN_PREPARATION)
    found = inputs_of(Source(name, bytearray(data)), shape=session.signature.inputs[0].shape, preparation=preparation).arrays
    return found[""] if set(found) == {""} else found


def _form(session: Session, body: bytes, content_type: str) -> Any:
    """The files and fields of a form: each is an input by its name; the only one of a model with one input may have any."""
    parts: dict[str, bytes] = {}

    def on_field(field: Any) -> None:
        parts[(field.field_name or b"").decode("utf-8", "replace")] = field.value or b""

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        parts[(file.field_name or b"").decode("utf-8", "replace")] = file.file_object.read()

    headers = {"Content-Type": content_type.encode("latin-1", "replace"), "Content-Length": str(len(body)).encode()}
    try:
        parse_form(headers, io.BytesIO(body), on_field, on_file)
    except (FormParserError, ValueError) as cause:
        raise HttpError(
            400, f"The form cannot be read: {cause}.", "Its header says multipart/form-data.", "Send it with curl -F."
        ) from cause
    if not parts or len(parts) > MAX_PARTS:
        raise HttpError(400, f"The form has {len(parts)} parts.", "Each is an input of the model.", "curl -F file=@image.png")
    arrays = {name: _file(session, name, data) for name, data in parts.items()}
    return next(iter(arrays.values())) if len(arrays) == 1 and len(session.signature.inputs) == 1 else arrays


def answer_with(hosted: Hosted, outputs: Mapping[str, Array], taken: Taken, accept: str) -> Response:
    """*outputs* in the form that the client asked for: JSON unless it wants .npy or CSV. Raises `HttpError` 406 for other forms."""
    answer = hosted.session.answer(outputs, taken)
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    if NPY in wanted:
        stream = io.BytesIO()
        np.save(stream, answer.array, allow_pickle=False)
        return Response(200, stream.getvalue(), NPY)
    if CSV in wanted:
        return Response(200, as_csv([str(index) for index in range(len(answer))], answer), CSV)
    if not any(part in ("", "*/*", "application/*", JSON) for part in wanted):
        raise HttpError(
            406, f"Answers have no form {accept[:80]!r}.", f"They are {JSON}, {NPY} or {CSV}.", "Ask for one of these, or leave Accept out."
        )
    if any(array.dtype.kind == "c" for array in answer.arrays.values()):
        raise HttpError(406, "The answer is complex.", "JSON has no complex numbers.", f"Ask for it as Accept: {NPY}")
    return Response(200, msgspec.json.encode(as_message(hosted.name, hosted.version, answer)))


def as_message(name: str, version: str, answer: Answer) -> Mapping[str, Any]:
    """*answer* as one JSON object: the outputs, and for class scores the best classes of each sample, and those that the reading tells."""
    message: dict[str, Any] = {
        "model": name,
        "version": version,
        "outputs": {output: array.tolist() for output, array in answer.arrays.items()},
    }
    if answer.scored:
        message["predictions"] = [
            {"label": label, "probability": probability, "top": _classes(ranking)}
            for label, probability, ranking in zip(answer.labels, answer.scores, answer.ranked(SHOWN_CLASSES), strict=True)
        ]
        if answer.several:
            for prediction, told in zip(message["predictions"], answer.told, strict=True):
                prediction["told"] = _classes(told)
        message["reading"] = answer.reading
    return message


def _classes(ranking: Sequence[tuple[str | int, float]]) -> list[dict[str, Any]]:
    return [{"label": label, "probability": probability} for label, probability in ranking]
