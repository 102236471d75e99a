"""The network of the demo, as its author would have written it."""

import torch
from torch import nn


class DigitNet(nn.Module):
    """Two convolutions, each with batch norm and ReLU, a pooling and a perceptron with one hidden layer."""

    def __init__(self, channels: int, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(2 * channels * 4 * 4, hidden),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores, float32 (batch, num_classes), of grey images, float32 (batch, 1, 8, 8) in 0..1."""
        scores: torch.Tensor = self.classifier(self.features(x))
        return scores
