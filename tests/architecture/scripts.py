"""Networks that are compiled by torch.jit, with inputs for each. Compiling needs the text of a class, so they stand in a file."""

import math
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 3)
        self.drop = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return F.log_softmax(self.fc2(self.drop(torch.tanh(self.fc1(x)))), dim=-1)


class CNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8, eps=1e-2), nn.LeakyReLU(0.2), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1, groups=4), nn.GroupNorm(2, 8), nn.GELU(), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d((1, 2)),
        )  # fmt: skip
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.features(x), 1))


class Block(nn.Module):
    def __init__(self, inside: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.down = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.down is not None:
            x = self.down(x)
        out += x
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        self.layer1 = nn.Sequential(*(Block(8, 8) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(8, 16, 2), Block(16, 16))
        self.fc = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(F.relu(self.stem(x))))
        return self.fc(x.mean((2, 3)))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)])
        self.middle = nn.Conv2d(8, 8, 3, padding="same", padding_mode="reflect")
        self.up = nn.ModuleList([nn.ConvTranspose2d(8, 8, 2, 2), nn.ConvTranspose2d(8, 4, 2, 2)])
        self.join = nn.ModuleList([nn.Conv2d(16, 8, 1), nn.Conv2d(8, 4, 1)])
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for layer in self.down:
            x = F.relu(layer(x))
            kept.append(x)
            x = F.max_pool2d(x, 2)
        x = self.middle(x)
        for up, join in zip(self.up, self.join):  # noqa: B905  # what is compiled
            x = join(torch.cat([up(x), kept.pop()], dim=1))
        return torch.sigmoid(self.last(F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)))


class Tagger(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.emb = nn.Embedding(20, 8, padding_idx=0)
        self.rnn = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}[kind](8, 6, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.out = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.rnn(self.emb(x))
        return self.out(y)


class Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.GRUCell(3, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor, h: Optional[Tensor] = None) -> tuple[Tensor, Tensor]:  # noqa: UP045  # what is compiled
        state = torch.zeros(x.size(0), 5, dtype=x.dtype, device=x.device) if h is None else h
        for step in range(x.size(1)):
            state = self.cell(x[:, step], state)
        return self.out(state), state


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x)[:, 0])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = 2
        self.scale = 1 / math.sqrt(4)
        self.qkv, self.out, self.norm = nn.Linear(8, 24, bias=False), nn.Linear(8, 8), nn.LayerNorm(8, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mask = torch.ones(n, n, dtype=torch.bool, device=x.device).tril()
        weights = ((q @ k.transpose(-2, -1)) * self.scale).masked_fill(~mask, float("-inf")).softmax(dim=-1)
        return x + self.out((weights @ v).transpose(1, 2).reshape(b, n, c))


class Fused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x), is_causal=True)


class MultiHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        return self.attn(x, x, x)


class Vision(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.cls, self.pos = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 5, 8))
        self.blocks = nn.Sequential(Attention(), Attention())

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1) + self.pos
        return self.blocks(x)[:, 0]


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.ConvTranspose2d(6, 8, 4, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
            nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False), nn.InstanceNorm2d(4, affine=True), nn.PReLU(4),
            nn.Upsample(scale_factor=2.0), nn.Conv2d(4, 3, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z.view(z.size(0), -1, 1, 1))


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            x = self.a(x)
            if x.dim() == 2 and x.size(0) > 1:
                return x[:1] * 2
        elif x.mean() < -1:
            x = self.b(x) / 3
        else:
            x = x - 1
        return x.clamp(-5.0, 5.0)


class Loops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(4, 4)
        self.limit = 3

    def forward(self, x: Tensor, times: int = 4) -> Tensor:
        total, i = torch.zeros_like(x), 0
        while i < 10 and bool(total.abs().sum() < 100.0):
            i += 1
            if i == 2:
                continue
            if i > self.limit + times:
                break
            total = total + self.cell(x) * i
        for k in range(times):
            for j in range(k):
                total = total + float(k * j) / (k + 1) + k // 2 - k % 3
        return total


class Several(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 2), nn.Linear(4, 3)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], list[Tensor]]:
        values, indices = torch.max(self.b(y), dim=1)
        return self.a(x), (values, indices), list((x + y).chunk(2, dim=-1))


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = {"logits": self.a(x)}
        found["probs"] = found["logits"].softmax(1)
        if "probs" in found:
            found["both"] = torch.cat(list(found.values()), 1)
        return found


class Detected(NamedTuple):
    boxes: Tensor
    scores: Tensor


class Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Detected:
        out = self.net(x)
        made = Detected(out[:, :4], out[:, 4].sigmoid())
        return Detected(made.boxes * 2, made.scores)


class Buffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1))
        self.register_buffer("order", torch.tensor([2, 0, 1]))
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(3)), nn.Parameter(torch.randn(1))])
        self.table = torch.arange(6.0).view(2, 3)
        self.names, self.factors = ["a", "b"], {"a": 2.5, "b": -1.0}

    def forward(self, x: Tensor) -> Tensor:
        x = (x - self.mean)[:, self.order]
        for name in self.names:
            x = x * self.factors[name]
        return x.mean((2, 3)) * self.weights[0] + self.weights[1] + self.table.sum(0)


def swish(x: Tensor, beta: float = 1.0) -> Tensor:
    return x * torch.sigmoid(beta * x)


def _norm(x: Tensor, eps: float) -> Tensor:
    if eps <= 0:
        raise ValueError(f"eps is {eps}")
    return swish(x) / (x.pow(2).sum(-1, keepdim=True).sqrt() + eps)


class Functions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def scale(self, x: Tensor, by: float) -> Tensor:
        return x * by

    def forward(self, x: Tensor) -> Tensor:
        assert x.dim() == 2, "two dimensions"
        return self.scale(_norm(self.a(x), 1e-6), 0.5) + swish(x, 2.0)


class Gated(nn.Module):
    """A WaveNet: dilated convolutions in a list, gates, sums of what each skips."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.ModuleList([nn.Conv1d(4, 8, 2, dilation=2**i, padding=2**i) for i in range(3)])
        self.skips = nn.ModuleList([nn.Conv1d(4, 3, 1) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(1)
        for filter_, skip in zip(self.filters, self.skips):  # noqa: B905  # what is compiled
            a, b = filter_(x)[..., : x.size(-1)].chunk(2, 1)
            x = x + torch.tanh(a) * torch.sigmoid(b)
            total = total + skip(x)
        return F.pad(total, [1, 2], value=0.5)


class Excite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.depthwise, self.bn = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), nn.BatchNorm2d(6)
        self.reduce, self.expand = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)
        self.act = nn.Hardswish()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn(self.depthwise(x)))
        return x * F.hardsigmoid(self.expand(F.silu(self.reduce(F.adaptive_avg_pool2d(x, 1)))))


class Shuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2), nn.ELU(0.5), nn.ReLU6())

    def forward(self, x: Tensor) -> Tensor:
        y = self.net(x)
        return torch.where(y > 0.1, y, F.interpolate(x, size=(y.shape[-2], y.shape[-1]), mode="nearest"))


class Variational(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(6, 4), nn.Sequential(nn.Linear(2, 6), nn.Sigmoid())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encode(x).chunk(2, 1)
        z = mean + torch.exp(0.5 * log_variance) * torch.ones_like(mean) if self.training else mean
        return self.decode(z), mean, log_variance


class Types(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        positions = torch.arange(x.shape[1], device=x.device, dtype=torch.float32).to(x.dtype)
        y = self.a(x).to(torch.float64) + positions.to(torch.double)[None]
        y[:, 0] = 7
        y[y > 3] *= 0.5
        return y.type_as(x)[:, ::2].contiguous().view(-1).float() if x.dtype == torch.float32 else x


class Deep(nn.Module):
    """Modules in dictionaries and in lists of lists."""

    def __init__(self) -> None:
        super().__init__()
        self.towers = nn.ModuleDict({"left": nn.Linear(4, 3), "right": nn.Sequential(nn.Linear(4, 3), nn.Tanh())})
        self.nested = nn.ModuleList([nn.ModuleList([nn.Linear(3, 3), nn.LayerNorm(3)]), nn.ModuleList([nn.Linear(3, 3)])])

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(1)
        for tower in self.towers.values():
            total = total + tower(x)
        for several in self.nested:
            for layer in several:
                total = layer(total)
        return total


class Layout(Enum):
    FIRST = "first"
    LAST = "last"


def arranged(x: Tensor, layout: Layout) -> Tensor:
    return x if layout == Layout.FIRST else x.transpose(0, 1)


class Arranged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.layout, self.skip = nn.Linear(4, 4), Layout.LAST, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return arranged(self.skip(self.a(x)), self.layout)


class NormAct(nn.BatchNorm2d):
    """A layer of torch with more behind it."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.slope = 0.3

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias), self.slope)


class Derived(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), NormAct(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


def images(*shape: int) -> tuple[Tensor, ...]:
    return (torch.randn(shape),)


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[object, ...]]] = {
    "MLP": (MLP, images(3, 6)),
    "CNN": (CNN, images(2, 3, 32, 32)),
    "ResNet": (ResNet, images(2, 3, 8, 8)),
    "U-Net": (UNet, images(1, 1, 8, 8)),
    "LSTM tagger": (lambda: Tagger("LSTM"), (torch.randint(0, 20, (2, 5)),)),
    "GRU tagger": (lambda: Tagger("GRU"), (torch.randint(0, 20, (2, 5)),)),
    "RNN tagger": (lambda: Tagger("RNN"), (torch.randint(0, 20, (2, 5)),)),
    "cell": (Cell, images(2, 4, 3)),
    "transformer encoder": (Encoder, images(2, 5, 8)),
    "attention": (Attention, images(2, 5, 8)),
    "fused attention": (Fused, images(2, 5, 8)),
    "multi-head attention": (MultiHead, images(2, 5, 8)),
    "vision transformer": (Vision, images(2, 3, 8, 8)),
    "generator": (Generator, images(2, 6)),
    "branches": (Branches, images(2, 4)),
    "loops": (Loops, images(2, 4)),
    "several outputs": (Several, (torch.randn(2, 4), torch.randn(2, 4))),
    "dictionary": (Named, images(2, 4)),
    "named tuple": (Detector, images(2, 4)),
    "buffers and constants": (Buffers, images(2, 3, 4, 4)),
    "functions": (Functions, images(2, 4)),
    "WaveNet": (Gated, images(2, 4, 9)),
    "squeeze and excite": (Excite, images(2, 6, 5, 5)),
    "super-resolution": (Shuffle, images(1, 3, 4, 4)),
    "autoencoder": (Variational, images(2, 6)),
    "types": (Types, images(2, 4)),
    "derived layer": (Derived, images(2, 3, 5, 5)),
    "enumeration": (Arranged, images(4, 4)),
    "nested modules": (Deep, images(2, 4)),
}
"""Name → a network and an input for it."""
