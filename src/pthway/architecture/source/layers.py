"""What the classes of torch.nn hold in their state dict, by their arguments.

Names and shapes are those of torch's documentation of each class. A dimension that the arguments do not tell is None.
"""

from collections.abc import Callable
from typing import Final

from pthway.architecture.source.compound_layers import GATES, attention, cell, recurrent, transformer, transformer_layer, transformer_stack
from pthway.architecture.source.containers import dictionary, listed, sequential
from pthway.architecture.source.plain_layers import (
    SPATIAL,
    bilinear,
    convolution,
    embedding,
    group_norm,
    layer_norm,
    lazy,
    linear,
    normalised_by_running,
    prelu,
)
from pthway.architecture.source.values import UNKNOWN, Call, Module, Value, Weight


def torch_layer(name: str, call: Call) -> Value:
    """Return what ``torch.nn.<name>`` makes of *call*; `UNKNOWN` for a name that torch.nn does not have."""
    if name in _MADE:
        return _MADE[name](name, call)
    return Module(name) if name in _WITHOUT_TENSORS else UNKNOWN


def is_layer(name: str) -> bool:
    """Whether ``torch.nn.<name>`` is a module class."""
    return name in _MADE or name in _WITHOUT_TENSORS


def _adaptive_softmax(kind: str, call: Call) -> Module:
    del call
    return Module(kind, {"head": Module("Linear", {"weight": Weight()}), "tail": Module("ModuleList", {}, open=True)}, open=True)


_MADE: Final[dict[str, Callable[[str, Call], Value]]] = {
    "Linear": linear,
    "NonDynamicallyQuantizableLinear": linear,
    "LazyLinear": lazy,
    "Bilinear": bilinear,
    **{f"{kind}{end}": convolution for kind in ("Conv", "ConvTranspose") for end in SPATIAL},
    **{f"Lazy{kind}{end}": lazy for kind in ("Conv", "ConvTranspose") for end in SPATIAL},
    **{f"{lazy}{kind}{end}": normalised_by_running for lazy in ("", "Lazy") for kind in ("BatchNorm", "InstanceNorm") for end in SPATIAL},
    "SyncBatchNorm": normalised_by_running,
    "LayerNorm": layer_norm,
    "RMSNorm": layer_norm,
    "GroupNorm": group_norm,
    "Embedding": embedding,
    "EmbeddingBag": embedding,
    "PReLU": prelu,
    **dict.fromkeys(GATES, recurrent),
    **{f"{kind}Cell": cell for kind in GATES},
    "MultiheadAttention": attention,
    "TransformerEncoderLayer": transformer_layer,
    "TransformerDecoderLayer": transformer_layer,
    "TransformerEncoder": transformer_stack,
    "TransformerDecoder": transformer_stack,
    "Transformer": transformer,
    "AdaptiveLogSoftmaxWithLoss": _adaptive_softmax,
    "Sequential": sequential,
    "ModuleList": listed,
    "ParameterList": listed,
    "ModuleDict": dictionary,
    "ParameterDict": dictionary,
    "Module": lambda kind, _: Module(kind),
    "DataParallel": lambda kind, call: Module(kind, {"module": call.get(0, "module")}),
}

_WITHOUT_TENSORS: Final = frozenset(
    (
        "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d",
        "AlphaDropout", "AvgPool1d", "AvgPool2d", "AvgPool3d", "BCELoss", "BCEWithLogitsLoss", "CELU", "CTCLoss", "ChannelShuffle",
        "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d", "CosineEmbeddingLoss",
        "CosineSimilarity", "CrossEntropyLoss", "CrossMapLRN2d", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "ELU",
        "FeatureAlphaDropout", "Flatten", "Fold", "FractionalMaxPool2d", "FractionalMaxPool3d", "GELU", "GLU", "GaussianNLLLoss",
        "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "HingeEmbeddingLoss", "HuberLoss", "Identity", "KLDivLoss", "L1Loss",
        "LPPool1d", "LPPool2d", "LPPool3d", "LeakyReLU", "LocalResponseNorm", "LogSigmoid", "LogSoftmax", "MSELoss",
        "MarginRankingLoss", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "Mish",
        "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "NLLLoss2d", "PairwiseDistance",
        "PixelShuffle", "PixelUnshuffle", "PoissonNLLLoss", "RReLU", "ReLU", "ReLU6", "ReflectionPad1d", "ReflectionPad2d",
        "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "SELU", "SiLU", "Sigmoid", "SmoothL1Loss",
        "SoftMarginLoss", "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
        "TripletMarginLoss", "TripletMarginWithDistanceLoss", "Unflatten", "Unfold", "Upsample", "UpsamplingBilinear2d",
        "UpsamplingNearest2d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
    )
)  # fmt: skip
"""Modules without parameters and buffers; they are in the module tree of a checkpoint, not among its tensors."""
