"""Networks as people write them, for the tests of this folder."""

from typing import Any

import torch
from torch import Tensor, nn


class SimpleMLP(nn.Module):
    def __init__(self, input_size: int, hidden_size: int, output_size: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.fc1 = nn.Linear(input_size, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden_size, output_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.dropout(torch.relu(self.fc1(x))))  # type: ignore[no-any-return]


class SimpleCNN(nn.Module):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(32 * 7 * 7, num_classes)


class Untyped(nn.Module):
    def __init__(self, inp, hidden, out=2, bias=True):  # type: ignore[no-untyped-def]
        super().__init__()
        self.a = nn.Linear(inp, hidden * 4, bias=bias)
        self.b = nn.Linear(hidden * 4, out)


class ConvNet(nn.Module):
    def __init__(self, width: int = 16, classes: int = 10, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, stride=stride)
        self.conv2 = nn.Conv2d(width, width * 2, 3)
        self.bn = nn.BatchNorm2d(width * 2)
        self.fc = nn.Linear(width * 2 * 7 * 7, classes)


class Recurrent(nn.Module):
    def __init__(self, input_size: int, hidden_size: int, num_layers: int, classes: int, bidirectional: bool = False) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional)
        self.fc = nn.Linear(hidden_size * (2 if bidirectional else 1), classes)


def _block(inp: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inp, out, 3), nn.BatchNorm2d(out), nn.ReLU(), nn.Conv2d(out, out, 3))


class UNet(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, base: int = 64) -> None:
        super().__init__()
        self.down1, self.down2 = _block(in_channels, base), _block(base, 2 * base)
        self.bottom = _block(2 * base, 4 * base)
        self.up2, self.join2 = nn.ConvTranspose2d(4 * base, 2 * base, 2, 2), _block(4 * base, 2 * base)
        self.up1, self.join1 = nn.ConvTranspose2d(2 * base, base, 2, 2), _block(2 * base, base)
        self.out = nn.Conv2d(base, out_channels, 1)


class TextEncoder(nn.Module):
    def __init__(self, vocab: int, d_model: int, nhead: int, layers: int = 2, feedforward: int = 2048, max_len: int = 512) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab, d_model)
        self.position = nn.Parameter(torch.zeros(1, max_len, d_model))
        layer = nn.TransformerEncoderLayer(d_model, nhead, feedforward, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)


class Heads(nn.Module):
    def __init__(self, dim: int, heads: int = 8, depth: int = 2) -> None:
        super().__init__()
        assert dim % heads == 0
        self.blocks = nn.ModuleList([nn.ModuleDict({"qkv": nn.Linear(dim, 3 * dim), "proj": nn.Linear(dim, dim)}) for _ in range(depth)])


class HeadsRequired(Heads):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)


class _Basic(nn.Module):
    def __init__(self, inp: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inp, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        if stride != 1 or inp != out:
            self.downsample = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class ResNet(nn.Module):
    def __init__(self, num_classes: int = 1000, in_channels: int = 3, blocks: int = 2) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(*(_Basic(64, 64) for _ in range(2)))
        self.layer2 = nn.Sequential(_Basic(64, 128, 2), *(_Basic(128, 128) for _ in range(blocks - 1)))
        self.fc = nn.Linear(128, num_classes)


def resnet18(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    return ResNet(**kwargs)


class Vision(nn.Module):
    def __init__(self, image_size: int = 224, patch_size: int = 16, dim: int = 192, depth: int = 12, heads: int = 4) -> None:
        super().__init__()
        assert image_size % patch_size == 0
        assert dim % heads == 0
        self.patch = nn.Conv2d(3, dim, patch_size, patch_size)
        self.position = nn.Parameter(torch.zeros(1, (image_size // patch_size) ** 2 + 1, dim))
        self.blocks = nn.ModuleList([nn.Linear(dim, dim) for _ in range(depth)])


class Stack(nn.Module):
    def __init__(self, inp: int, hidden: int, out: int, layers: int) -> None:
        super().__init__()
        middle = [part for _ in range(layers - 1) for part in (nn.Linear(hidden, hidden), nn.ReLU())]
        self.net = nn.Sequential(nn.Linear(inp, hidden), nn.ReLU(), *middle, nn.Linear(hidden, out))


class OnlyTheProduct(nn.Module):
    def __init__(self, groups: int, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(3, groups * width)


class HeadDim(nn.Module):
    def __init__(self, dim: int, heads: int = 8, head_dim: int = 64) -> None:
        super().__init__()
        self.query = nn.Linear(dim, heads * head_dim)


class Pooled(nn.Module):
    def __init__(self, size: int = 28, channels: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.fc = nn.Linear(channels * (size // 4) * (size // 4), 10)


class Tied(nn.Module):
    def __init__(self, vocab: int, dim: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=0)
        self.head = nn.Linear(dim, vocab, bias=False)
        self.head.weight = self.embed.weight


class Tutorial(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, dropout, pad_idx):  # type: ignore[no-untyped-def]
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_idx)
        self.rnn = nn.GRU(embedding_dim, hidden_dim, num_layers=2, dropout=dropout)
