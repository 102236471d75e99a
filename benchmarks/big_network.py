"""A network of a gigabyte: nested blocks of linear layers, norms and convolutions, 308 tensors."""

import torch
from torch import nn

STAGES = 8
BLOCKS = 6
WIDTH = 768
"""Gives 1.08 GB of float32."""
CLASSES = 1000


class Block(nn.Module):
    """A residual perceptron, as in a transformer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What x gives, shaped as x: (…, width)."""
        change: torch.Tensor = self.contract(torch.relu(self.expand(self.norm(x))))
        return x + change


class Stage(nn.Module):
    """Some blocks and a convolution over the sequence of what they gave."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width) for _ in range(BLOCKS)))
        self.mix = nn.Conv2d(width, width, kernel_size=3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What x gives, shaped as x: (batch, height, width of the image, width)."""
        mixed: torch.Tensor = self.mix(self.blocks(x).movedim(-1, 1))
        return mixed.movedim(1, -1)


class BigNetwork(nn.Module):
    """Class scores of images: patches, stages, mean, classifier."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, kernel_size=16, stride=16)
        self.stages = nn.Sequential(*(Stage(width) for _ in range(STAGES)))
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (batch, num_classes) of images (batch, 3, 16·h, 16·w)."""
        scores: torch.Tensor = self.head(self.stages(self.patches(x).movedim(1, -1)).mean((1, 2)))
        return scores
