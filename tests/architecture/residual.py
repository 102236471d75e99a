"""Residual networks as their paper has them, under the names that torchvision gives their parts: nothing here is from a library."""

from collections.abc import Sequence

from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions (basic) or three (bottleneck), and a way around them."""

    def __init__(self, inp: int, width: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        out = width * (4 if bottleneck else 1)
        self.conv1 = nn.Conv2d(inp, width, 1 if bottleneck else 3, 1 if bottleneck else stride, 0 if bottleneck else 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        if not bottleneck:
            self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride if bottleneck else 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        if bottleneck:
            self.conv3 = nn.Conv2d(width, out, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(out)
            self.relu = nn.ReLU()
        self.bottleneck = bottleneck
        if inp != out or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.bottleneck:
            y = self.bn3(self.conv3(self.relu(y)))
        around: Tensor = self.downsample(x) if hasattr(self, "downsample") else x
        out: Tensor = self.relu(y + around)
        return out


class Residual(nn.Module):
    """A residual network; torchvision's resnet18 and resnet50 in names, shapes and module tree."""

    def __init__(
        self,
        depths: Sequence[int] = (2, 2, 2, 2),
        *,
        bottleneck: bool = False,
        num_classes: int = 1000,
        in_chans: int = 3,
        head: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        wide = 4 if bottleneck else 1
        inp = 64
        for stage, depth in enumerate(depths):
            width = 64 << stage
            blocks = []
            for at in range(depth):
                blocks.append(Block(inp, width, 2 if stage and not at else 1, bottleneck=bottleneck))
                inp = width * wide
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        if head:
            self.fc = nn.Linear(inp, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.avgpool(x).flatten(1)
        out: Tensor = self.fc(x) if hasattr(self, "fc") else x
        return out


def resnet34(**arguments: int) -> Residual:
    return Residual((3, 4, 6, 3), **arguments)


def resnet50(**arguments: int) -> Residual:
    return Residual((3, 4, 6, 3), bottleneck=True, **arguments)
