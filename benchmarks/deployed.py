"""Networks as people deploy them, for the benchmarks of what answers: random weights, since no speed depends on them."""

import torch
from torch import Tensor, nn


class Mlp(nn.Module):
    """784-128-10, for rows of 784 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.scores = nn.Linear(784, 128), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (batch, 10)."""
        scores: Tensor = self.scores(torch.relu(self.hidden(x)))
        return scores


class SmallCnn(nn.Sequential):
    """Two convolutions and two linear layers, for images of 28×28."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10)),
        )


class Residual(nn.Module):
    """Two convolutions around which the input goes."""

    def __init__(self, width: int, wider: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(width, wider, 3, stride, 1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()),
            *(nn.Conv2d(wider, wider, 3, 1, 1, bias=False), nn.BatchNorm2d(wider)),
        )
        same = stride == 1 and width == wider
        self.around = nn.Identity() if same else nn.Sequential(nn.Conv2d(width, wider, 1, stride, bias=False), nn.BatchNorm2d(wider))

    def forward(self, x: Tensor) -> Tensor:
        """Features (batch, wider, height / stride, width / stride)."""
        return torch.relu(self.body(x) + self.around(x))


class ResNet18(nn.Sequential):
    """Shaped as ResNet-18 (He and others, 2016), for images of 224×224."""

    def __init__(self) -> None:
        widths = ((64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1))
        super().__init__(
            *(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
            *(Residual(*each) for each in widths),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)),
        )


class Lstm(nn.Module):
    """Two layers of 128 over 32 steps of 16 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.scores = nn.LSTM(16, 128, num_layers=2, batch_first=True), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (batch, 10)."""
        scores: Tensor = self.scores(self.lstm(x)[0][:, -1])
        return scores


class Encoder(nn.Module):
    """A transformer encoder of four layers over 64 tokens of 128 numbers."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 512, batch_first=True)
        self.layers, self.scores = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (batch, 10)."""
        scores: Tensor = self.scores(self.layers(x).mean(1))
        return scores


class UNet(nn.Module):
    """One way down and up again, for images of 96×96."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = Residual(3, 32, 1), Residual(32, 64, 2)
        self.deepest, self.up = Residual(64, 64, 1), nn.ConvTranspose2d(64, 32, 2, 2)
        self.joined, self.mask = Residual(64, 32, 1), nn.Conv2d(32, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (batch, 2, height, width)."""
        high = self.down(x)
        low = self.up(self.deepest(self.deep(high)))
        scores: Tensor = self.mask(self.joined(torch.cat((high, low), 1)))
        return scores


NETWORKS: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "mlp": (Mlp, (784,)),
    "small_cnn": (SmallCnn, (1, 28, 28)),
    "resnet18": (ResNet18, (3, 224, 224)),
    "lstm": (Lstm, (32, 16)),
    "encoder": (Encoder, (64, 128)),
    "unet": (UNet, (3, 96, 96)),
}
"""Each with the shape of one sample."""
