"""Small networks of the kinds that people deploy, each with what its forward pass asks of a runtime."""

import torch
from torch import nn


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 5))

    def forward(self, x):
        return self.layers(x)


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.GELU())
        self.head = nn.Linear(8 * 3 * 3, 5)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.conv2, self.bn2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.down = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)) if before != after else None

    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(out)) + (x if self.down is None else self.down(x)))


class ResNet(nn.Module):
    def __init__(self, width=8, blocks=2, classes=6):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        layers, before = [], width
        for after in (width, 2 * width, 4 * width, 8 * width):
            for _ in range(blocks):
                layers.append(Block(before, after, 2 if before != after else 1))
                before = after
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(before, classes)

    def forward(self, x):
        return self.head(nn.functional.adaptive_avg_pool2d(self.layers(self.stem(x)), 1).flatten(1))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2, self.mlp = nn.LayerNorm(width), nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        count, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(count, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(count, length, width)
        x = x + self.out(mixed)
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    def __init__(self, size=16, patch=4, width=16, depth=2, heads=4, classes=6):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*[Attention(width, heads) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


class Double(nn.Sequential):
    def __init__(self, before, after):
        super().__init__(nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.Conv2d(after, after, 3, padding=1), nn.ReLU())


class UNet(nn.Module):
    """Sizes are free, multiples of four; the answer is an image."""

    def __init__(self, width=4):
        super().__init__()
        self.down1, self.down2, self.bottom = Double(1, width), Double(width, 2 * width), Double(2 * width, 4 * width)
        self.up2, self.mix2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), Double(4 * width, 2 * width)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.mix1, self.head = Double(3 * width, width), nn.Conv2d(width, 2, 1)

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(nn.functional.max_pool2d(first, 2))
        x = self.bottom(nn.functional.max_pool2d(second, 2))
        x = self.mix2(torch.cat([self.up2(x), second], 1))
        return self.head(self.mix1(torch.cat([self.up1(x), first], 1)))


class Tagger(nn.Module):
    """An LSTM of two directions over token ids; one answer a token, and the length is free."""

    def __init__(self, vocabulary=30, width=8, tags=4):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, 1, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, tags)

    def forward(self, tokens):
        return self.head(self.lstm(self.embedding(tokens))[0])


class Encoder(nn.Module):
    """A transformer over token ids with a mask; positions are a buffer that no state dict holds."""

    def __init__(self, vocabulary=40, width=16, heads=4, depth=2, longest=64):
        super().__init__()
        self.heads = heads
        self.embedding = nn.Embedding(vocabulary, width)
        self.register_buffer("places", torch.randn(longest, width, generator=torch.Generator().manual_seed(1)), persistent=False)
        self.layers = nn.ModuleList([Masked(width, heads) for _ in range(depth)])
        self.head = nn.Linear(width, 3)

    def forward(self, input_ids, attention_mask):
        x = self.embedding(input_ids) + self.places[: input_ids.shape[1]]
        keep = attention_mask[:, None, None, :] > 0
        for layer in self.layers:
            x = layer(x, keep)
        weights = attention_mask.to(x.dtype)[:, :, None]
        return self.head((x * weights).sum(1) / weights.sum(1).clamp(min=1))


class Masked(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out, self.norm = nn.Linear(width, 3 * width), nn.Linear(width, width), nn.LayerNorm(width)

    def forward(self, x, keep):
        count, length, width = x.shape
        q, k, v = self.qkv(x).reshape(count, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-1, -2)) / (width // self.heads) ** 0.5
        scores = scores.masked_fill(~keep, -1e4).softmax(-1)
        return self.norm(x + self.out((scores @ v).transpose(1, 2).reshape(count, length, width)))


class TwoHeads(nn.Module):
    """Two outputs by name, and one of them whole numbers."""

    def __init__(self):
        super().__init__()
        self.body, self.box, self.kind = nn.Linear(10, 16), nn.Linear(16, 4), nn.Linear(16, 7)

    def forward(self, x):
        x = torch.tanh(self.body(x))
        return {"box": self.box(x), "kind": self.kind(x).argmax(-1)}


class Tied(nn.Module):
    """The weights of the first layer are those of the last."""

    def __init__(self, vocabulary=25, width=12):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.mix = nn.Linear(width, width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(torch.relu(self.mix(self.embedding(tokens))))


class TimeFirst(nn.Module):
    """A GRU whose batch is the second dimension, as is torch's own default."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(6, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.gru(x)[0])


class Fixed(nn.Module):
    """Goes through its samples one by one in Python: a graph of it is for one number of samples."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        return torch.stack([self.layer(x[index]) for index in range(int(x.shape[0]))])


class Shifted(nn.Module):
    """Two layers and a table that no state dict holds."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 3)
        self.register_buffer("table", torch.arange(3.0), persistent=False)

    def forward(self, x):
        return self.second(torch.relu(self.first(x))) + self.table
