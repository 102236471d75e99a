"""Layers with a matrix, or with one for each feature that comes out."""

from pthway.architecture.scaffold.case import Case, Layer, Value, exact


def linear(case: Case) -> Layer | None:
    """A Linear: its weight is (out, in); None if it is none."""
    match exact(case, "weight", "bias"):
        case [(out, inp), None]:
            return Layer(
                "Linear", tuple({"in_features": inp, "out_features": out, "bias": False}.items()), 2, takes=inp, gives=out, dimensions=0
            )
        case [(out, inp), (bias,)] if bias == out:
            return Layer("Linear", tuple({"in_features": inp, "out_features": out}.items()), 2, takes=inp, gives=out, dimensions=0)
    return None


def embedding(case: Case) -> Layer | None:
    """A table of embeddings: its weight is (rows, width), and it has no bias; None if it is none."""
    match exact(case, "weight"):
        case [(rows, width)]:
            arguments: dict[str, Value] = {"num_embeddings": rows, "embedding_dim": width}
            extra = case.settings.options({"padding_idx": None, "max_norm": None, "norm_type": 2.0})
            kind = case.kind or "Embedding"
            if kind == "EmbeddingBag":
                extra |= case.settings.options({"mode": "mean", "include_last_offset": False})
            return Layer(kind, tuple((arguments | extra).items()), 2, gives=width, guesses=() if case.kind else ("embedding",))
    return None


def matrix(case: Case) -> Layer | None:
    """A matrix alone: a table by its name, otherwise a Linear without bias."""
    layer = linear(case)
    if layer is None or "bias" in case.shapes:
        return layer
    follows = (case.after.get("weight") or (0,))[-1]
    rows, width = case.shapes["weight"]
    if (case.before is None and follows == width != rows) or case.named(r"emb|(^|_)w[tp]e$|token|vocab|position|(^|_)lut$|table|lookup"):
        return embedding(case)
    return layer._replace(guesses=("embedding",)) if case.settings.told is None else layer


def bilinear(case: Case) -> Layer | None:
    """A Bilinear by its class or its name, since a Conv1d has the same shapes: (out, in1, in2); None if it is none."""
    match exact(case, "weight", "bias"):
        case [(out, one, two), bias] if bias in (None, (out,)) and (case.kind or case.named("bilinear")):
            arguments: dict[str, Value] = {"in1_features": one, "in2_features": two, "out_features": out}
            if bias is None:
                arguments["bias"] = False
            return Layer("Bilinear", tuple(arguments.items()), 3, guesses=() if case.kind else ("layer",))
    return None
