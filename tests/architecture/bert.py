"""The names and shapes of BERT's weights, written from its paper and the names in its published files. No library is needed."""

from pthway.architecture.difference import Shape


def bert(*, hidden: int, layers: int, vocabulary: int, inner: int, positions: int = 512, labels: int | None = None) -> dict[str, Shape]:
    """Return what an encoder has, below ``bert.`` and with a classifier where there are *labels*."""
    prefix = "" if labels is None else "bert."
    embeddings = {"word_embeddings": vocabulary, "position_embeddings": positions, "token_type_embeddings": 2}
    found = {f"{prefix}embeddings.{name}.weight": (size, hidden) for name, size in embeddings.items()}
    found |= {f"{prefix}embeddings.LayerNorm.{name}": (hidden,) for name in ("weight", "bias")}
    for layer in range(layers):
        own = f"{prefix}encoder.layer.{layer}."
        squares = (*(f"attention.self.{name}" for name in ("query", "key", "value")), "attention.output.dense")
        shapes = dict.fromkeys(squares, (hidden, hidden))
        shapes |= {"intermediate.dense": (inner, hidden), "output.dense": (hidden, inner)}
        for name, shape in shapes.items():
            found |= {f"{own}{name}.weight": shape, f"{own}{name}.bias": shape[:1]}
        for norm in ("attention.output", "output"):
            found |= {f"{own}{norm}.LayerNorm.{name}": (hidden,) for name in ("weight", "bias")}
    found |= {f"{prefix}pooler.dense.weight": (hidden, hidden), f"{prefix}pooler.dense.bias": (hidden,)}
    if labels is not None:
        found |= {"classifier.weight": (labels, hidden), "classifier.bias": (labels,)}
    return {name: Shape(shape, "float32") for name, shape in found.items()}
