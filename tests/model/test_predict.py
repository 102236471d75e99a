"""Predicting: everything that means the network's input is taken, everything else refused by name; the oracle is the bare module."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import pthway
from pthway import errors
from pthway.data.prepare import ImagePreparation

RANDOM = np.random.default_rng(0)


class Net(nn.Module):
    """Layers under names, and a forward pass over them."""

    def __init__(self, forward: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._pass = forward

    def forward(self, x: Tensor) -> Any:
        return self._pass(self, x)


class Two(nn.Module):
    """A network of two inputs of unlike width."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 3), nn.Linear(6, 3)

    def forward(self, a: Tensor, b: Tensor, scale: float = 1.0) -> Tensor:
        result: Tensor = (self.left(a) + self.right(b)) * scale
        return result


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10)).eval()


def cnn(channels: int = 3) -> nn.Module:
    torch.manual_seed(0)

    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.pool(torch.relu(net.conv(x)))
        return net.fc(x.view(-1, 8 * 14 * 14))

    return Net(forward, conv=nn.Conv2d(channels, 8, 3, padding=1), pool=nn.MaxPool2d(2), fc=nn.Linear(8 * 14 * 14, 10)).eval()


def tokens() -> nn.Module:
    torch.manual_seed(0)
    return Net(lambda net, x: net.fc(net.embed(x).mean(1)), embed=nn.Embedding(50, 8), fc=nn.Linear(8, 3)).eval()


def bare(module: nn.Module, *inputs: Any) -> Any:
    with torch.inference_mode():
        return module(*map(torch.as_tensor, inputs))


X = RANDOM.standard_normal((5, 784)).astype(np.float32)


# --- what is taken ---------------------------------------------------------------------------------------------------------------

BATCHES: dict[str, Callable[[], Any]] = {
    "array": lambda: X,
    "tensor": lambda: torch.from_numpy(X.copy()),
    "tensor with gradient": lambda: torch.from_numpy(X.copy()).requires_grad_(),
    "tensor of inference mode": lambda: torch.inference_mode()(lambda: torch.from_numpy(X.copy()) + 0)(),
    "lists": lambda: X.tolist(),
    "tuple of arrays": lambda: tuple(X),
    "list of tensors": lambda: [torch.from_numpy(row.copy()) for row in X],
    "float64": lambda: X.astype(np.float64),
    "other byte order": lambda: X.astype(">f4"),
    "Fortran order": lambda: np.asfortranarray(X),
    "read-only": lambda: np.frombuffer(X.tobytes(), np.float32).reshape(X.shape),
    "negative strides": lambda: X[::-1].copy()[::-1],
    "every second": lambda: np.repeat(X, 2, axis=0)[::2],
    "long double": lambda: X.astype(np.longdouble),
    "named": lambda: {"input": X},
    "matrix": lambda: np.asmatrix(X),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_in_any_form_is_answered_as_by_the_bare_module(name: str) -> None:
    model = pthway.wrap(mlp())
    answer = model.predict(BATCHES[name]())
    # a product of matrices in another memory layout may be summed in another order
    assert np.allclose(answer.array, bare(mlp(), X).numpy(), rtol=1e-5, atol=1e-6)
    assert answer.array.dtype == np.float32 and not answer.single


@pytest.mark.parametrize("name", ["array", "tensor", "lists", "float64", "read-only", "named"])
def test_the_common_forms_are_answered_to_the_last_bit(name: str) -> None:
    assert pthway.wrap(mlp()).predict(BATCHES[name]()).array.tobytes() == bare(mlp(), X).numpy().tobytes()


def test_the_answer_does_not_depend_on_the_memory_layout_of_the_input() -> None:
    images = RANDOM.standard_normal((4, 3, 28, 28)).astype(np.float32)
    pixels_first = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    expected = bare(cnn(), images).numpy().tobytes()
    with pytest.raises(RuntimeError, match="view"):
        bare(cnn(), pixels_first)
    for given in (pixels_first, torch.from_numpy(pixels_first), pixels_first.astype(np.float64)):
        assert pthway.wrap(cnn()).predict(given).array.tobytes() == expected


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float64"])
def test_numbers_of_every_type_mean_the_same(dtype: str) -> None:
    pixels = RANDOM.integers(0, 2, (3, 784)).astype(dtype)
    expected = bare(mlp(), pixels.astype(np.float32)).numpy()
    assert pthway.wrap(mlp()).predict(pixels).array.tobytes() == expected.tobytes()
    if dtype not in ("uint16", "uint32", "uint64"):
        assert pthway.wrap(mlp()).predict(torch.from_numpy(pixels)).array.tobytes() == expected.tobytes()


def test_bfloat16_of_ml_dtypes_is_a_number() -> None:
    given = X.astype(ml_dtypes.bfloat16)
    assert pthway.wrap(mlp()).predict(given).array.tobytes() == bare(mlp(), given.astype(np.float32)).numpy().tobytes()


@pytest.mark.parametrize("form", [lambda row: row, torch.from_numpy, lambda row: row.tolist()], ids=["array", "tensor", "list"])
def test_one_sample_is_a_batch_of_one(form: Callable[[Any], Any]) -> None:
    answer = pthway.wrap(mlp()).predict(form(X[0].copy()))
    assert answer.single and answer.array.shape == (1, 10)
    assert answer.array.tobytes() == bare(mlp(), X[:1]).numpy().tobytes()
    assert answer.label == int(answer.array[0].argmax())


def test_a_number_is_a_sample_of_a_network_of_one_feature() -> None:
    model = pthway.wrap(nn.Linear(1, 1))
    assert model.predict(3.0).value == pytest.approx(bare(model.module, [[3.0]]).item())
    assert model.predict([3.0]).single


def test_labels_are_those_that_were_given() -> None:
    answer = pthway.wrap(mlp(), labels=[f"digit {n}" for n in range(10)]).predict(X)
    assert answer.labels == [f"digit {n}" for n in bare(mlp(), X).argmax(1).tolist()]


def test_images_are_taken_open_or_by_path(tmp_path: Path) -> None:
    pixels = RANDOM.integers(0, 256, (28, 28, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    expected = bare(cnn(), np.ascontiguousarray(pixels.transpose(2, 0, 1)[None] / np.float32(255)))
    model = pthway.wrap(cnn())
    for given in (Image.open(tmp_path / "x.png"), tmp_path / "x.png", str(tmp_path / "x.png")):
        answer = model.predict(given)
        assert answer.single and np.allclose(answer.array, expected.numpy(), atol=1e-5)
    scaled = model.predict(tmp_path / "x.png", preparation=ImagePreparation(mean=(0.5,), std=(0.5,)))
    assert not np.allclose(scaled.array, expected.numpy(), atol=1e-3)


def test_files_of_numbers_are_taken_by_path(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", a=np.ones((2, 4)), b=np.ones((2, 6)))
    assert pthway.wrap(mlp()).predict(tmp_path / "x.npy").array.tobytes() == bare(mlp(), X).numpy().tobytes()
    model = pthway.wrap(Two(), example=(np.ones((1, 4)), np.ones((1, 6))))
    assert model.predict(tmp_path / "x.npz").array.shape == (2, 3)
    with pytest.raises(FileNotFoundError):
        model.predict(tmp_path / "none.npy")


def test_token_ids_are_taken_as_whole_numbers_of_any_type() -> None:
    ids = RANDOM.integers(0, 50, (4, 7))
    expected = bare(tokens(), ids).numpy().tobytes()
    model = pthway.wrap(tokens())
    for given in (ids, ids.astype(np.int32), ids.astype(np.uint8), ids.astype(np.float64), ids.tolist(), torch.from_numpy(ids)):
        assert model.predict(given).array.tobytes() == expected
    assert model.predict(ids[0]).single


def test_sequences_whose_batch_comes_second_are_answered_batch_first() -> None:
    module = Net(lambda net, x: net.rnn(x), rnn=nn.GRU(6, 8)).eval()
    x = RANDOM.standard_normal((9, 4, 6)).astype(np.float32)
    steps, hidden = bare(module, x)
    answer = pthway.wrap(module).predict(x)
    assert answer.arrays["output_0"].tobytes() == np.moveaxis(steps.numpy(), 1, 0).tobytes()
    assert answer.arrays["output_1"].tobytes() == np.moveaxis(hidden.numpy(), 1, 0).tobytes()
    assert len(pthway.wrap(module).predict(x[:, 0])) == 1


# --- several inputs and outputs ----------------------------------------------------------------------------------------------------


def test_several_inputs_are_given_by_name() -> None:
    a, b = RANDOM.standard_normal((3, 4)).astype(np.float32), RANDOM.standard_normal((3, 6)).astype(np.float32)
    module = Two()
    expected = bare(module, a, b).numpy()
    for model in (pthway.wrap(module), pthway.wrap(module, example=(a, b)), pthway.wrap(module, example={"b": b, "a": a})):
        assert model.predict({"b": b, "a": a}).array.tobytes() == expected.tobytes()
    assert [(each.name, each.shape) for each in model.signature.inputs] == [("a", ("batch", 4)), ("b", ("batch", 6))]


@pytest.mark.parametrize("given", [X, {"a": X}, {"a": X, "c": X}, {"a": X, "b": X, "c": X}])
def test_inputs_that_are_missing_or_unknown_are_named(given: Any) -> None:
    with pytest.raises(errors.InputRefused, match=r"\bb\b"):
        pthway.wrap(Two()).predict(given)


def test_inputs_have_the_same_number_of_samples() -> None:
    model = pthway.wrap(Two(), example=(np.ones((2, 4)), np.ones((2, 6))))
    with pytest.raises(errors.InputRefused, match="samples"):
        model.predict({"a": np.ones((3, 4)), "b": np.ones((1, 6))})


def test_an_example_may_hold_optional_inputs_and_leave_out_those_before_them() -> None:
    class Masked(Two):
        def forward(self, a: Tensor, b: Tensor, scale: float = 1.0, mask: Tensor | None = None) -> Tensor:
            result = super().forward(a, b, scale)
            return result if mask is None else result * mask

    a, b, mask = np.ones((3, 4), np.float32), np.ones((3, 6), np.float32), np.array([[True], [False], [True]])
    module = Masked()
    model = pthway.wrap(module, example={"mask": mask, "a": a, "b": b})
    assert [(each.name, each.dtype) for each in model.signature.inputs] == [("a", "float32"), ("b", "float32"), ("mask", "bool")]
    answer = model.predict({"a": a, "b": b, "mask": mask})
    assert np.array_equal(answer.array, bare(module, a, b, 1.0, mask).numpy())
    with pytest.raises(errors.UsageError, match="msk"):
        _ = pthway.wrap(module, example={"a": a, "b": b, "msk": mask}).signature


class Pair(NamedTuple):
    logits: Tensor
    features: Tensor


@pytest.mark.parametrize(
    ("forward", "names"),
    [
        (lambda net, x: Pair(net.fc(x), x), ["logits", "features"]),
        (lambda net, x: {"logits": net.fc(x), "features": x}, ["logits", "features"]),
        (lambda net, x: [net.fc(x), x], ["output_0", "output_1"]),
    ],
)
def test_every_output_is_answered_by_name(forward: Any, names: list[str]) -> None:
    model = pthway.wrap(Net(forward, fc=nn.Linear(784, 10)))
    answer = model.predict(X)
    assert list(answer.arrays) == names
    assert answer.arrays[names[1]].tobytes() == X.tobytes()
    raw = model(torch.from_numpy(X.copy()))
    assert type(raw) in (Pair, dict, list), "the raw output keeps its structure"


# --- what is refused ---------------------------------------------------------------------------------------------------------------

MASKED = np.ma.MaskedArray(X, mask=X > 1)
REFUSED: dict[str, tuple[Any, str]] = {
    "other width": (np.zeros((2, 783)), r"\(2, 783\)[\s\S]*784"),
    "one sample of other width": (np.zeros(10), r"\(10\)|\(10,\)"),
    "image for rows": (np.zeros((1, 28, 28)), r"reshape"),
    "images for rows": (np.zeros((5, 28, 28)), r"reshape"),
    "too many dimensions": (np.zeros((1, 1, 1, 784)), r"784"),
    "number": (5.0, r"784"),
    "complex": (X.astype(np.complex64), r"complex"),
    "text": (np.full((2, 784), "a"), r"numbers"),
    "list of text": ([["a"] * 784], r"number"),
    "objects": (np.full((2, 784), None), r"object"),
    "dates": (np.zeros((2, 784), "datetime64[s]"), r"numbers"),
    "records": (np.zeros(2, [("x", "f4")]), r"numbers"),
    "ragged": ([[0.0] * 784, [0.0] * 3], r"784|3"),
    "tensors of two shapes": ([torch.zeros(784), torch.zeros(3)], r"784|3"),
    "nothing": (None, r"NoneType|None"),
    "set": ({1.0, 2.0}, r"set"),
    "function": (np.zeros, r"function"),
    "sparse": (torch.zeros(2, 784).to_sparse(), r"sparse"),
    "too large": (np.full((2, 784), 1e300), r"1e\+300|float32"),
    "too large a whole number": ([[10**400] * 784], r"bits|large"),
    "no samples, other width": (np.zeros((0, 3)), r"784"),
    "masked": (MASKED, r"mask"),
    "meta": (torch.zeros(2, 784, device="meta"), r"meta"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_mean_the_input_is_refused_by_name(name: str) -> None:
    given, told = REFUSED[name]
    with pytest.raises(errors.InputRefused, match=told) as caught:
        pthway.wrap(mlp()).predict(given)
    assert isinstance(caught.value, ValueError)


HINTS: dict[str, tuple[Callable[[], nn.Module], Any, str]] = {
    "flat image": (mlp, np.zeros((28, 28), np.float32), "x.reshape(784)"),
    "images to rows": (mlp, np.zeros((3, 28, 28), np.float32), "x.reshape(len(x), 784)"),
    "channels last": (cnn, np.zeros((3, 28, 28, 3), np.float32), "x.transpose(0, 3, 1, 2)"),
    "one image, channels last": (cnn, np.zeros((28, 28, 3), np.float32), "x.transpose(2, 0, 1)"),
}


@pytest.mark.parametrize("name", HINTS)
def test_the_line_that_a_refusal_proposes_mends_it(name: str) -> None:
    factory, x, line = HINTS[name]
    model = pthway.wrap(factory())
    with pytest.raises(errors.InputRefused) as caught:
        model.predict(x)
    assert line in caught.value.fix
    model.predict(eval(line))


def test_an_image_of_another_size_is_refused_with_the_size_that_is_wanted() -> None:
    with pytest.raises(errors.InputRefused, match=r"28") as caught:
        pthway.wrap(cnn()).predict(np.zeros((1, 3, 64, 64), np.float32))
    assert "28×28" in caught.value.fix


@pytest.mark.parametrize(("given", "told"), [([[0, 50]], "50"), ([[-1, 3]], "-1"), ([[0.5, 1.0]], "0.5"), ([[float("nan"), 1.0]], "nan")])
def test_what_is_no_token_id_is_refused(given: Any, told: str) -> None:
    with pytest.raises(errors.InputRefused, match=told):
        pthway.wrap(tokens()).predict(given)


def test_overflow_of_half_precision_is_refused() -> None:
    with pytest.raises(errors.InputRefused, match="float16"):
        pthway.wrap(nn.Linear(3, 2).half()).predict(np.full((1, 3), 70000.0, np.float32))


def test_nan_and_infinity_go_through_as_they_are() -> None:
    assert np.isnan(pthway.wrap(nn.Linear(2, 1)).predict([[float("nan"), 1.0]]).array).all()
    x = X.copy()
    x[0, 0], x[1, 0] = np.nan, np.inf
    assert np.isnan(pthway.wrap(mlp()).predict(x).array[0]).all()
    assert np.array_equal(pthway.wrap(mlp()).predict(x).array, bare(mlp(), x).numpy(), equal_nan=True)


# --- the batch survives -----------------------------------------------------------------------------------------------------------


def folding() -> nn.Module:
    """Folds what is too large into the batch, and takes two inputs so that no signature is found."""

    class Fold(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(12, 2)

        def forward(self, x: Tensor, scale: Tensor) -> Tensor:
            result: Tensor = self.fc(x.view(-1, 12)) * scale[:1]
            return result

    return Fold()


def test_a_folded_batch_is_an_error_though_the_network_runs() -> None:
    module, ones = folding(), np.ones((1, 1), np.float32)
    model = pthway.wrap(module)
    assert model.predict({"x": np.ones((1, 12), np.float32), "scale": ones}).array.shape == (1, 2)
    assert bare(module, np.ones((1, 48), np.float32), ones).shape == (4, 2), "plain torch answers one sample four times"
    with pytest.raises(errors.BatchLost, match=r"\(4, 2\)"):
        model.predict({"x": np.ones((1, 48), np.float32), "scale": ones})


def test_an_image_of_twice_the_side_is_no_four_answers() -> None:
    module = cnn()
    image = np.zeros((1, 3, 56, 56), np.float32)
    assert len(bare(module, image)) == 4
    with pytest.raises(errors.InputRefused):
        pthway.wrap(module).predict(image)


def test_a_network_that_sums_its_batch_up_is_refused() -> None:
    with pytest.raises(errors.BatchLost):
        pthway.wrap(Net(lambda net, x: net.fc(x).sum(), fc=nn.Linear(784, 10))).predict(X)


def test_one_sample_of_a_network_that_squeezes_its_output_is_answered() -> None:
    model = pthway.wrap(Net(lambda net, x: net.fc(x).squeeze(), fc=nn.Linear(784, 1)))
    assert model.predict(X).array.shape == (5,)
    assert model.predict(X[:1]).array.shape == (1,)
    assert model.predict(X[0]).value == pytest.approx(float(model.predict(X).array[0]), rel=1e-4)


def test_no_samples_have_no_answers() -> None:
    assert pthway.wrap(mlp()).predict(X[:0]).array.shape == (0, 10)
    with pytest.raises(errors.InputRefused):
        pthway.wrap(mlp()).predict([])


# --- nothing else changes -----------------------------------------------------------------------------------------------------------


def moody() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 3))


def test_predicting_is_in_evaluation_mode_and_leaves_every_flag_as_it_was() -> None:
    module = moody()
    module[1].eval()
    flags = [each.training for each in module.modules()]
    model = pthway.wrap(module)
    statistics = {name: buffer.clone() for name, buffer in module.named_buffers()}
    answer = model.predict(X)
    assert [each.training for each in module.modules()] == flags
    assert np.array_equal(answer.array, model.predict(X).array)
    assert all(torch.equal(buffer, statistics[name]) for name, buffer in module.named_buffers())
    module.eval()
    assert np.array_equal(answer.array, bare(module, X).numpy())


def test_flags_are_restored_when_the_network_raises() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        if not x.is_meta and bool((x == 7).any()):
            raise RuntimeError("seven")
        return net.fc(x)

    module = Net(forward, fc=nn.Linear(4, 2), drop=nn.Dropout()).train()
    model = pthway.wrap(module, example=np.ones((2, 4)))
    model.predict(np.ones((1, 4)))
    with pytest.raises(RuntimeError, match="seven"):
        model.predict(np.full((1, 4), 7.0))
    assert all(each.training for each in module.modules())


def test_threads_that_predict_at_once_get_the_same_and_leave_the_flags() -> None:
    module = moody().train()
    model = pthway.wrap(module)
    expected, wrong = model.predict(X).array, []

    def work() -> None:
        for _ in range(100):
            if not np.array_equal(model.predict(X).array, expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert all(each.training for each in module.modules())


def test_the_first_predictions_of_two_threads_agree() -> None:
    model, found = pthway.wrap(mlp()), []
    threads = [threading.Thread(target=lambda: found.append(model.predict(X).array)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(np.array_equal(each, found[0]) for each in found)


@pytest.mark.parametrize("form", [lambda x: x, torch.from_numpy], ids=["array", "tensor"])
def test_the_callers_numbers_are_never_written_to(form: Callable[[Any], Any]) -> None:
    model = pthway.wrap(Net(lambda net, x: net.fc(x.relu_()), fc=nn.Linear(784, 10)))
    x = X.copy()
    model.predict(form(x))
    assert np.array_equal(x, X)


def test_an_answer_does_not_change_with_what_it_was_made_from() -> None:
    x = X.copy()
    answer = pthway.wrap(Net(lambda net, x: {"same": x, "y": net.fc(x)}, fc=nn.Linear(784, 10))).predict(x)
    x[:] = 0
    assert np.array_equal(answer.arrays["same"], X)


def test_the_module_may_change_its_type_between_two_predictions() -> None:
    module = mlp()
    model = pthway.wrap(module)
    model.predict(X)
    module.double()
    assert model.predict(X).array.dtype == np.float64
    assert np.array_equal(model.predict(X).array, bare(module, X.astype(np.float64)).numpy())
    module.bfloat16()
    assert model.predict(X).array.dtype == np.float32, "numpy has no bfloat16; float32 holds all of its numbers"


def test_a_layer_may_be_replaced_between_two_predictions() -> None:
    module = mlp()
    model = pthway.wrap(module)
    model.predict(X)
    module[2] = nn.Linear(32, 4)
    assert np.array_equal(model.predict(X).array, bare(module, X).numpy())


def test_no_gradients_are_kept_and_training_goes_on_afterwards() -> None:
    module = mlp()
    model = pthway.wrap(module)
    assert not model(torch.from_numpy(X.copy())).requires_grad
    model.predict(X)
    module(torch.from_numpy(X.copy())).sum().backward()
    assert module[0].weight.grad is not None


def test_raw_outputs_are_those_of_the_module() -> None:
    model = pthway.wrap(mlp())
    assert torch.equal(model(torch.from_numpy(X.copy())), bare(mlp(), X))
    assert torch.equal(model(X), bare(mlp(), X))


def test_only_a_module_is_wrapped() -> None:
    with pytest.raises(errors.UsageError, match="Module"):
        pthway.wrap(nn.Linear)  # type: ignore[arg-type]


def test_labels_are_a_list_and_not_a_text() -> None:
    with pytest.raises(errors.UsageError, match="labels"):
        pthway.wrap(mlp(), labels="cat")


def test_a_model_shows_its_class_without_running_it() -> None:
    assert "Sequential" in repr(pthway.wrap(mlp()))


# --- examples ----------------------------------------------------------------------------------------------------------------------


def test_an_example_tells_what_layers_do_not() -> None:
    class Bare(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3))

    model = pthway.wrap(Bare(), example=np.ones((2, 3, 8, 8), np.float32))
    (image,) = model.signature.inputs
    assert image.shape == ("batch", "size_1", "height", "width")
    assert model.predict(np.ones((3, 5, 5), np.float32)).single


def test_an_example_that_does_not_run_is_refused() -> None:
    with pytest.raises(errors.InputRefused, match=r"\(2, 5\)"):
        _ = pthway.wrap(Two(), example=(np.ones((2, 5)), np.ones((2, 6)))).signature


# --- checks -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [mlp, cnn, tokens, moody, lambda: nn.GRU(6, 8).eval()])
def test_a_sound_model_passes_its_check(factory: Callable[[], nn.Module]) -> None:
    report = pthway.wrap(factory()).check()
    assert report.ok, str(report)
    assert report.outputs_finite and report.deterministic and report.batch_invariant
    assert "ok" in str(report)


def test_a_check_finds_what_is_not_finite() -> None:
    module = mlp()
    with torch.no_grad():
        module[2].bias[3] = float("nan")
    report = pthway.wrap(module).check()
    assert not report.ok and not report.outputs_finite
    assert report.weights_not_finite == ("2.bias",) and "2.bias" in str(report)


def test_a_check_finds_chance() -> None:
    report = pthway.wrap(Net(lambda net, x: net.fc(nn.functional.dropout(x, 0.5)), fc=nn.Linear(784, 10))).check()
    assert not report.ok and not report.deterministic


def test_a_check_finds_samples_that_influence_each_other() -> None:
    report = pthway.wrap(Net(lambda net, x: net.fc(x - x.mean(0)), fc=nn.Linear(784, 10))).check()
    assert not report.ok and report.deterministic and not report.batch_invariant
    assert report.batch_difference > 0.01


def test_a_check_takes_inputs_where_the_signature_is_not_known() -> None:
    model = pthway.wrap(Two())
    with pytest.raises(errors.UsageError, match="check"):
        model.check()
    assert model.check({"a": np.ones((3, 4), np.float32), "b": np.ones((3, 6), np.float32)}).ok


def test_a_check_tries_the_batch_sizes_that_will_be_used() -> None:
    def forward(net: Any, x: torch.Tensor) -> torch.Tensor:
        return net.fc(x if len(x) < 5 else x - x.mean(0))

    model = pthway.wrap(Net(forward, fc=nn.Linear(784, 10)))
    assert model.check(batch_sizes=(1, 4)).ok
    report = model.check(batch_sizes=(1, 4, 6))
    assert not report.ok and report.batch_differences[4] < 1e-6 < 0.01 < report.batch_differences[6]
    with pytest.raises(errors.UsageError, match=r"batch_sizes is \[0\]"):
        model.check(batch_sizes=(0,))


def test_a_check_finds_an_output_that_does_not_depend_on_the_input() -> None:
    model = pthway.wrap(Net(lambda net, x: net.fc(torch.zeros_like(x)), fc=nn.Linear(784, 10)))
    report = model.check(np.random.default_rng(0).random((3, 784)))
    assert not report.ok and report.dead_outputs == ("output",)
    assert model.check().ok and "the same for every random input: output" in str(model.check())
    assert pthway.wrap(mlp()).check(np.ones((3, 784))).dead_outputs == (), "inputs that are equal tell nothing"


def test_a_check_tells_what_training_mode_would_change_and_changes_nothing() -> None:
    module = nn.Sequential(nn.Linear(784, 10), nn.BatchNorm1d(10), nn.Dropout(0.5)).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    report = pthway.wrap(module).check()
    assert report.ok and report.train_difference is not None and report.train_difference > 0.01
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not any(each.training for each in module.modules())
    assert pthway.wrap(nn.Linear(784, 10).eval()).check().train_difference is None


def test_a_check_tells_how_much_the_scale_of_pixels_matters() -> None:
    sensitive = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    report = pthway.wrap(sensitive.eval()).check()
    assert report.scale_difference is not None and report.scale_difference > 1
    blind = nn.Sequential(nn.InstanceNorm2d(3, eps=0), nn.Conv2d(3, 4, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten())
    report = pthway.wrap(blind.eval(), example=np.random.default_rng(0).random((2, 3, 8, 8))).check()
    assert report.scale_difference is not None and report.scale_difference < 1e-4
    assert pthway.wrap(mlp()).check().scale_difference is None


def test_a_check_leaves_random_numbers_alone() -> None:
    model, state = pthway.wrap(mlp()), torch.get_rng_state()
    model.check()
    assert torch.equal(torch.get_rng_state(), state)


def test_how_an_image_becomes_numbers_can_be_told(tmp_path: Path) -> None:
    Image.new("L", (20, 10), 100).save(tmp_path / "x.png")
    model = pthway.wrap(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval(), example=np.zeros((2, 1, 3, 4), np.float32))
    with pytest.raises(errors.InputRefused):
        model.predict(tmp_path / "x.png")
    answer = model.predict(tmp_path / "x.png", preparation=pthway.ImagePreparation(resize="stretch", mean=(0.5,), std=(0.5,)))
    expected = torch.full((1, 1, 3, 4), (100 / 255 - 0.5) / 0.5)
    assert np.allclose(answer.array, model(expected).numpy(), atol=1e-5)
    assert any("resized" in step or "3×4" in step for step in answer.steps)
