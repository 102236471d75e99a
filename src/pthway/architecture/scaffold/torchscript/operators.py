"""The operators that may stand in a translated program, and how each is spelled in Python.

An operator that is not named here is not written: its module says so instead. All of them compute with tensors, numbers, lists and
texts; none reads or writes a file, the network or the settings of torch. The names and the order of arguments are those of
torch's schemas, which ``torch.ops.aten`` takes as they are.
"""

import ast
from collections.abc import Mapping
from typing import Final

from pthway.architecture.scaffold.torchscript.types import BOOL, DTYPE, FLOAT, INT, SIZES, STR, TENSORS, Type


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BINARY: Final[Mapping[str, type[ast.operator]]] = {
    "add": ast.Add, "sub": ast.Sub, "mul": ast.Mult, "div": ast.Div, "floordiv": ast.FloorDiv, "pow": ast.Pow, "matmul": ast.MatMult,
    "remainder": ast.Mod, "__and__": ast.BitAnd, "__or__": ast.BitOr, "__xor__": ast.BitXor, "bitwise_and": ast.BitAnd,
    "bitwise_or": ast.BitOr, "bitwise_xor": ast.BitXor, "__lshift__": ast.LShift, "__rshift__": ast.RShift,
}  # fmt: skip
"""Operators of two operands that Python has a sign for, for tensors and numbers alike."""

COMPARISONS: Final[Mapping[str, type[ast.cmpop]]] = {
    "lt": ast.Lt, "le": ast.LtE, "gt": ast.Gt, "ge": ast.GtE, "eq": ast.Eq, "ne": ast.NotEq, "__is__": ast.Is, "__isnot__": ast.IsNot,
}  # fmt: skip

METHODS: Final = _words("""
    view expand repeat contiguous type_as view_as expand_as reshape_as new_zeros new_ones new_full new_empty masked_fill masked_scatter
    index_add index_copy index_fill numel item dim split is_floating_point is_complex unfold detach clone
""")
"""Operators that are methods of a tensor, with the arguments in the same order; so is each whose name ends in ``_``."""

IN_PLACE: Final = _words("""
    abs add addcdiv addcmul bernoulli ceil celu clamp clamp_max clamp_min copy cos cosh cumsum cumprod detach div dropout elu erf exp
    expm1 fill floor floor_divide gelu hardswish hardsigmoid hardtanh index_add index_copy index_fill index_put leaky_relu lerp log log10
    log1p log2 logical_and logical_not logical_or logical_xor logit masked_fill masked_scatter mish mul nan_to_num neg normal pow
    reciprocal relu relu6 remainder round rsqrt scatter scatter_add selu sigmoid sign silu sin sinh sqrt square squeeze sub t tan tanh
    threshold transpose tril triu trunc uniform unsqueeze zero
""")
"""Operators that also change their first argument, under the name with ``_`` at its end."""

TORCH: Final = _words("""
    abs absolute acos acosh adaptive_avg_pool1d adaptive_max_pool1d addbmm addcdiv addcmul addmm addmv addr affine_grid_generator all
    allclose alpha_dropout amax amin aminmax any arange arccos arcsin arctan arctan2 argmax argmin argsort as_strided asin asinh atan atan2
    atanh avg_pool1d baddbmm batch_norm bernoulli bilinear bincount bitwise_not bmm broadcast_to bucketize
    cat ceil celu channel_shuffle chunk clamp clamp_max clamp_min clip clone complex concat conj constant_pad_nd conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d _convolution copysign cos cosh cosine_similarity count_nonzero cross cummax cummin
    cumprod cumsum deg2rad det diag diag_embed diagonal diff dist div divide dot dropout embedding embedding_bag empty empty_like
    equal erf erfc erfinv exp exp2 expm1 eye feature_alpha_dropout feature_dropout flatten flip fliplr flipud floor floor_divide fmax
    fmin fmod frac full full_like gather grid_sampler group_norm gru gru_cell hardshrink heaviside hypot imag index_select inner
    instance_norm inverse is_nonzero isclose isfinite isinf isnan kron kthvalue layer_norm lerp lgamma linspace log log10 log1p log2
    log_softmax logaddexp logcumsumexp logdet logical_and logical_not logical_or logical_xor logit logspace logsumexp lstm lstm_cell
    masked_select matrix_exp matrix_power max max_pool1d max_pool2d max_pool3d maximum mean median min minimum mm mode moveaxis
    movedim multinomial multiply mv nan_to_num nanmean nansum narrow native_layer_norm neg negative nonzero normal ones ones_like
    outer pairwise_distance permute pixel_shuffle pixel_unshuffle polar positive prelu prod quantile rad2deg rand rand_like randint
    randn randn_like randperm real reciprocal relu renorm repeat_interleave reshape rms_norm rnn_relu rnn_relu_cell rnn_tanh
    rnn_tanh_cell roll rot90 round rrelu rsqrt scalar_tensor scatter scatter_add select selu sgn sigmoid sign sin sinc sinh softmax
    sort split_with_sizes sqrt square squeeze stack std std_mean sum swapaxes t take tan tanh tensor tensor_split
 threshold tile topk trace transpose tril tril_indices triu triu_indices true_divide trunc unbind unflatten unsqueeze
    var var_mean vdot view_as_complex view_as_real where xlogy zeros zeros_like
""")
"""Operators that ``torch`` has under the same name, with the arguments in the same order."""

FUNCTIONAL: Final[Mapping[str, int]] = {
    "linear": 3, "gelu": 1, "silu": 1, "mish": 1, "hardswish": 1, "hardsigmoid": 1, "relu6": 1, "leaky_relu": 2, "elu": 2, "hardtanh": 3,
    "softplus": 3, "glu": 2, "avg_pool2d": 7, "avg_pool3d": 7, "adaptive_avg_pool2d": 2, "adaptive_avg_pool3d": 2, "one_hot": 2,
    "scaled_dot_product_attention": 6,
}  # fmt: skip
"""Operators that ``torch.nn.functional`` has under the same name, and how many arguments have the same places there."""

GENERIC: Final = _words("""
    index index_put unsafe_chunk unsafe_split unsafe_split_with_sizes norm einsum cdist tensordot broadcast_tensors
    adaptive_max_pool2d adaptive_max_pool3d max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d fractional_max_pool2d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d
    _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa
    reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d pad _pad_circular
    log_sigmoid softshrink im2col col2im grid_sampler_2d grid_sampler_3d conv_tbc rrelu_with_noise
    linalg_norm linalg_vector_norm linalg_matrix_norm linalg_inv linalg_matmul linalg_cross
    _softmax _log_softmax _weight_norm _unsafe_view native_batch_norm native_group_norm native_dropout
    _native_multi_head_attention _transformer_encoder_layer_fwd _nested_tensor_from_mask _nested_tensor_from_mask_left_aligned
    _scaled_dot_product_flash_attention_for_cpu _thnn_fused_lstm_cell feature_alpha_dropout rsub
    unique_consecutive unique_dim _unique2 fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 stft istft
    hann_window hamming_window meshgrid numpy_T adjoint mT mH matrix_H smooth_l1_loss mse_loss l1_loss nll_loss cross_entropy_loss
    is_nonzero huber_loss kl_div binary_cross_entropy binary_cross_entropy_with_logits ceil floor sqrt exp log max min abs round sin cos
    tanh sigmoid
""")
"""Operators that are called through ``torch.ops.aten``, because Python has them under other names or in another order."""

ON_NUMBERS: Final = _words("""
    abs acos acosh asin asinh atan atan2 atanh ceil copysign cos cosh erf exp expm1 floor fmod lgamma log log10 log1p log2 max min neg
    round sin sinh sqrt tan tanh sum any all sort
""")
"""Operators that exist for numbers or lists too; ``torch`` has them for tensors alone, ``torch.ops.aten`` for all."""

RETURNS: Final[Mapping[str, Type]] = {
    **dict.fromkeys(("unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes"), TENSORS),
    "size": SIZES, "dim": INT, "numel": INT, "len": INT, "chunk": TENSORS, "split": TENSORS, "split_with_sizes": TENSORS,
    "tensor_split": TENSORS, "unbind": TENSORS, "broadcast_tensors": TENSORS, "meshgrid": TENSORS, "item": Type(), "is_nonzero": BOOL,
    "is_floating_point": BOOL, "is_complex": BOOL, "equal": BOOL, "allclose": BOOL, "format": STR,
    "_nested_tensor_from_mask_left_aligned": BOOL, "get_device": INT,
}  # fmt: skip
"""What an operator gives, where that is no tensor."""

PROPERTIES: Final[Mapping[str, Type]] = {
    "dtype": DTYPE, "device": Type("Device"), "is_cuda": BOOL, "requires_grad": BOOL, "data": Type("Tensor"), "is_nested": BOOL,
    "type": STR, "ndim": INT, "shape": SIZES,
}  # fmt: skip
"""``ops.prim.name(x)`` that is ``x.name`` in Python."""

OF_NUMBERS: Final[Mapping[str, Type]] = {"min": Type(), "max": Type(), "abs": Type(), "float": FLOAT, "int": INT, "bool": BOOL}
"""``ops.prim.name(...)`` that is a function of Python's."""

DTYPES: Final[Mapping[int, str]] = {
    0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 7: "float64", 9: "complex64",
    10: "complex128", 11: "bool", 15: "bfloat16",
}  # fmt: skip
"""torch's number of a type → its name."""

MEMORY_FORMATS: Final[Mapping[int, str]] = {0: "contiguous_format", 1: "preserve_format", 2: "channels_last", 3: "channels_last_3d"}

LIBRARY: Final = _words("""
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d alpha_dropout batch_norm bilinear celu cosine_similarity dropout dropout1d
    dropout2d dropout3d elu embedding embedding_bag gelu glu group_norm hardsigmoid hardswish hardtanh instance_norm interpolate layer_norm
    leaky_relu local_response_norm log_softmax mish multi_head_attention_forward normalize one_hot pad pixel_shuffle prelu relu relu6 rrelu
    selu sigmoid silu softmax softmin softsign tanh tanhshrink threshold unfold fold grid_sample affine_grid linear logsigmoid
""")
"""Functions of ``torch.nn.functional`` that are called by name instead of being translated."""

OTHER_NAMES: Final = {f"_max_pool{dimensions}d": f"max_pool{dimensions}d" for dimensions in (1, 2, 3)}
"""Functions of ``torch.nn.functional`` that stand under another name in programs: those chosen by whether indices are returned."""

EXCEPTIONS: Final = frozenset((
    "ArithmeticError", "AssertionError", "AttributeError", "Exception", "IndexError", "KeyError", "NotImplementedError", "RuntimeError",
    "TypeError", "ValueError",
))  # fmt: skip
"""Errors that a program may raise under their own names; any other one is a RuntimeError."""
