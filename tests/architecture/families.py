"""Networks with arguments of every kind, as people write them, and how to draw arguments for each.

Shared by the property test of this folder and by ``benchmarks/solve.py``.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Literal

import torch
from torch import nn

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Family:
    """A class or factory, with a way to draw arguments for it."""

    name: str
    architecture: Any
    """As `pthway.load` takes it."""
    draw: Callable[[Random], dict[str, Any]]
    given: tuple[str, ...] = ()
    """Arguments that are passed, because they have no default and leave no trace."""
    stored: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """What the file says of the arguments, beside the weights."""
    unseen: bool = False
    """Whether it was written after the solver worked on the others."""
    third_party: bool = False
    """Whether it comes from a package whose dependencies may be absent."""


def some(random: Random, low: int, high: int, least: int, most: int) -> list[int]:
    return [random.randint(low, high) for _ in range(random.randint(least, most))]


# --- residual networks ------------------------------------------------------------------------------------------------


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inplanes, planes, stride=1, downsample=None, groups=1, base_width=64):
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        self.conv1, self.bn1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False), nn.BatchNorm2d(planes)
        self.downsample = downsample


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inplanes, planes, stride=1, downsample=None, groups=1, base_width=64):
        super().__init__()
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1, self.bn1 = nn.Conv2d(inplanes, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, planes * 4, 1, bias=False), nn.BatchNorm2d(planes * 4)
        self.downsample = downsample


class ResNet(nn.Module):
    def __init__(self, block, layers, num_classes=1000, groups=1, width_per_group=64, in_channels=3, zero_init_residual=False):
        super().__init__()
        self.inplanes, self.groups, self.base_width = 64, groups, width_per_group
        self.conv1 = nn.Conv2d(in_channels, self.inplanes, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(self.inplanes)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2)
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2)
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, Bottleneck):
                    nn.init.constant_(module.bn3.weight, 0)

    def _make_layer(self, block, planes, blocks, stride=1):
        downsample = None
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                nn.Conv2d(self.inplanes, planes * block.expansion, 1, stride, bias=False), nn.BatchNorm2d(planes * block.expansion)
            )
        layers = [block(self.inplanes, planes, stride, downsample, self.groups, self.base_width)]
        self.inplanes = planes * block.expansion
        layers += [block(self.inplanes, planes, groups=self.groups, base_width=self.base_width) for _ in range(1, blocks)]
        return nn.Sequential(*layers)


def draw_resnet(random):
    arguments = {"block": random.choice([BasicBlock, Bottleneck]), "layers": [random.randint(1, 5) for _ in range(4)]}
    arguments |= {"num_classes": random.randint(2, 1000), "in_channels": random.choice([1, 3])}
    if arguments["block"] is Bottleneck and random.random() < 0.5:
        arguments |= {"groups": random.choice([2, 4, 32]), "width_per_group": random.choice([4, 8, 64])}
    return arguments


# --- transformers -----------------------------------------------------------------------------------------------------


class Attention(nn.Module):
    def __init__(self, dim, heads, qkv_bias):
        super().__init__()
        assert dim % heads == 0
        self.qkv, self.proj = nn.Linear(dim, 3 * dim, bias=qkv_bias), nn.Linear(dim, dim)


class VisionBlock(nn.Module):
    def __init__(self, dim, heads, mlp_ratio, qkv_bias):
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(dim), Attention(dim, heads, qkv_bias), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, int(dim * mlp_ratio)), nn.GELU(), nn.Linear(int(dim * mlp_ratio), dim))


class VisionTransformer(nn.Module):
    def __init__(
        self,
        img_size=224,
        patch_size=16,
        in_chans=3,
        num_classes=1000,
        embed_dim=768,
        depth=12,
        num_heads=12,
        mlp_ratio=4.0,
        qkv_bias=True,
        drop_rate=0.0,
        class_token=True,
    ):
        super().__init__()
        assert img_size % patch_size == 0
        self.patch_embed = nn.Conv2d(in_chans, embed_dim, patch_size, patch_size)
        count = (img_size // patch_size) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim)) if class_token else None
        self.pos_embed = nn.Parameter(torch.zeros(1, count + int(class_token), embed_dim))
        self.blocks = nn.ModuleList(VisionBlock(embed_dim, num_heads, mlp_ratio, qkv_bias) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(embed_dim), nn.Linear(embed_dim, num_classes)


def draw_vit(random):
    heads, patch = random.choice([2, 3, 4, 6, 12]), random.choice([4, 8, 14, 16])
    return {
        "img_size": patch * random.randint(2, 16),
        "patch_size": patch,
        "in_chans": random.choice([1, 3, 4]),
        "num_heads": heads,
        "num_classes": random.randint(2, 200),
        "embed_dim": heads * random.choice([16, 24, 32]),
        "depth": random.randint(1, 8),
        "mlp_ratio": random.choice([2.0, 3.0, 4.0]),
        "qkv_bias": random.random() < 0.5,
        "class_token": random.random() < 0.5,
    }


class TextClassifier(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        nhead: int,
        num_layers: int,
        dim_feedforward: int = 2048,
        num_classes: int = 2,
        max_len: int = 512,
        positions: str = "learned",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab_size, d_model)
        if positions == "learned":
            self.position = nn.Embedding(max_len, d_model)
        elif positions == "sinusoidal":
            self.register_buffer("pe", torch.zeros(1, max_len, d_model))
        else:
            raise ValueError(positions)
        layer = nn.TransformerEncoderLayer(d_model, nhead, dim_feedforward, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers, enable_nested_tensor=False)
        self.classifier = nn.Linear(d_model, num_classes)


def draw_text(random):
    heads = random.choice([1, 2, 4, 8])
    return {
        "vocab_size": random.randint(50, 3000),
        "d_model": heads * random.randint(2, 16),
        "nhead": heads,
        "num_layers": random.randint(1, 6),
        "dim_feedforward": random.randint(16, 300),
        "num_classes": random.randint(2, 20),
        "max_len": random.randint(16, 300),
        "positions": random.choice(["learned", "sinusoidal"]),
    }


# --- pictures ---------------------------------------------------------------------------------------------------------


class DoubleConv(nn.Module):
    def __init__(self, inp, out):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(inp, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        )


class UNet(nn.Module):
    def __init__(self, in_channels=3, out_channels=1, features=[64, 128, 256, 512], bilinear=False):  # noqa: B006 - as people write it
        super().__init__()
        self.ups, self.downs = nn.ModuleList(), nn.ModuleList()
        for feature in features:
            self.downs.append(DoubleConv(in_channels, feature))
            in_channels = feature
        for feature in reversed(features):
            if not bilinear:
                self.ups.append(nn.ConvTranspose2d(feature * 2, feature, 2, 2))
            self.ups.append(DoubleConv(feature * (3 if bilinear else 2), feature))
        self.bottleneck = DoubleConv(features[-1], features[-1] * 2)
        self.final_conv = nn.Conv2d(features[0], out_channels, 1)


def draw_unet(random):
    first = random.randint(2, 16)
    features = [first * 2**step for step in range(random.randint(1, 5))] if random.random() < 0.7 else some(random, 2, 60, 1, 5)
    return {
        "in_channels": random.choice([1, 3, 4]),
        "out_channels": random.randint(1, 20),
        "features": features,
        "bilinear": random.random() < 0.3,
    }


def _make_divisible(value, divisor=8):
    new = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return new + divisor if new < 0.9 * value else new


class InvertedResidual(nn.Module):
    def __init__(self, inp, out, stride, expand):
        super().__init__()
        hidden = round(inp * expand)
        layers = [] if expand == 1 else [nn.Conv2d(inp, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()]
        layers += [nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()]
        self.conv = nn.Sequential(*layers, nn.Conv2d(hidden, out, 1, bias=False), nn.BatchNorm2d(out))


class MobileNet(nn.Module):
    def __init__(self, num_classes=1000, width_mult=1.0, round_nearest=8, dropout=0.2):
        super().__init__()
        settings = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 2, 2], [6, 96, 1, 1]]
        channels = _make_divisible(32 * width_mult, round_nearest)
        features = [nn.Sequential(nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU6())]
        for expand, width, count, stride in settings:
            out = _make_divisible(width * width_mult, round_nearest)
            for index in range(count):
                features.append(InvertedResidual(channels, out, stride if index == 0 else 1, expand))
                channels = out
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, num_classes))


class ConvAutoencoder(nn.Module):
    def __init__(self, in_channels: int, channels: tuple[int, ...], latent_dim: int | None = None, image_size: int = 32):
        super().__init__()
        widths = (in_channels, *channels)
        self.encoder = nn.Sequential(*(part for a, b in pairwise(widths) for part in (nn.Conv2d(a, b, 3, 2, 1), nn.ReLU())))
        self.decoder = nn.Sequential(
            *(part for a, b in pairwise(widths[::-1]) for part in (nn.ConvTranspose2d(a, b, 3, 2, 1, 1), nn.ReLU()))
        )
        if latent_dim is not None:
            size = channels[-1] * (image_size // 2 ** len(channels)) ** 2
            self.to_latent, self.from_latent = nn.Linear(size, latent_dim), nn.Linear(latent_dim, size)


class Generator(nn.Module):
    def __init__(self, nz, ngf, nc=3, n_extra_layers=0):
        super().__init__()
        main = [nn.ConvTranspose2d(nz, ngf * 8, 4, 1, 0, bias=False), nn.BatchNorm2d(ngf * 8), nn.ReLU(True)]
        for factor in (8, 4, 2):
            main += [
                nn.ConvTranspose2d(ngf * factor, ngf * factor // 2, 4, 2, 1, bias=False),
                nn.BatchNorm2d(ngf * factor // 2),
                nn.ReLU(True),
            ]
        for _ in range(n_extra_layers):
            main += [nn.Conv2d(ngf, ngf, 3, 1, 1, bias=False), nn.BatchNorm2d(ngf), nn.ReLU(True)]
        self.main = nn.Sequential(*main, nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False), nn.Tanh())


# --- sequences --------------------------------------------------------------------------------------------------------


class LSTMTagger(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, tagset_size, num_layers=1, bidirectional=False, dropout=0.0):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, num_layers, bidirectional=bidirectional, dropout=dropout, batch_first=True)
        self.hidden2tag = nn.Linear(hidden_dim * (2 if bidirectional else 1), tagset_size)


class Tagger(nn.Module):
    def __init__(self, rnn_type, ntoken, ninp, nhid, nlayers, tie_weights=False):
        super().__init__()
        self.encoder = nn.Embedding(ntoken, ninp)
        if rnn_type in ["LSTM", "GRU"]:
            self.rnn = getattr(nn, rnn_type)(ninp, nhid, nlayers)
        else:
            nonlinearity = {"RNN_TANH": "tanh", "RNN_RELU": "relu"}[rnn_type]
            self.rnn = nn.RNN(ninp, nhid, nlayers, nonlinearity=nonlinearity)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            if nhid != ninp:
                raise ValueError("When using the tied flag, nhid must be equal to emsize")
            self.decoder.weight = self.encoder.weight


# --- tables -----------------------------------------------------------------------------------------------------------


class MLP(nn.Module):
    def __init__(
        self, in_features: int, hidden: list[int], out_features: int, use_bn: bool = False, activation: str = "relu", bias: bool = True
    ):
        super().__init__()
        activations = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}
        layers: list[nn.Module] = []
        for width in hidden:
            layers.append(nn.Linear(in_features, width, bias=bias))
            if use_bn:
                layers.append(nn.BatchNorm1d(width))
            layers.append(activations[activation]())
            in_features = width
        self.net = nn.Sequential(*layers, nn.Linear(in_features, out_features, bias=bias))


class NoisyLinear(nn.Module):
    def __init__(self, in_features, out_features, sigma=0.017, bias=True):
        super().__init__()
        self.mu, self.sigma = (
            nn.Parameter(torch.zeros(out_features, in_features)),
            nn.Parameter(torch.full((out_features, in_features), sigma)),
        )
        if bias:
            self.bias = nn.Parameter(torch.zeros(out_features))
        self.register_buffer("epsilon", torch.zeros(out_features, in_features))


class DuelingNetwork(nn.Module):
    def __init__(self, state_dim, action_dim, hidden=(64, 64), noisy=True, dueling=True):
        super().__init__()
        layer = NoisyLinear if noisy else nn.Linear
        self.body = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise((state_dim, *hidden))])
        self.advantage = layer(hidden[-1], action_dim)
        if dueling:
            self.value = layer(hidden[-1], 1)


# --- configurations ---------------------------------------------------------------------------------------------------


class LitRegressor(nn.Module):
    """Stands for a Lightning module: its file holds ``hyper_parameters``."""

    def __init__(self, input_dim, hidden_dims, heads, dropout=0.1, lr=1e-3):
        super().__init__()
        widths = [input_dim, *hidden_dims]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(widths)])
        self.attention = nn.MultiheadAttention(widths[-1], heads, dropout)


def draw_lightning(random):
    heads = random.choice([1, 2, 4])
    return {
        "input_dim": random.randint(2, 60),
        "hidden_dims": [*some(random, 2, 60, 0, 3), heads * random.randint(1, 12)],
        "heads": heads,
        "dropout": random.choice([0.0, 0.2]),
        "lr": random.choice([0.1, 0.01]),
    }


@dataclass
class GPTConfig:
    block_size: int = 1024
    vocab_size: int = 50304
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = True


class LayerNorm(nn.Module):
    def __init__(self, ndim, bias):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(ndim)), nn.Parameter(torch.zeros(ndim)) if bias else None


class GPTBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        assert config.n_embd % config.n_head == 0
        self.ln_1, self.ln_2 = LayerNorm(config.n_embd, config.bias), LayerNorm(config.n_embd, config.bias)
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.register_buffer("mask", torch.ones(1, 1, config.block_size, config.block_size))


class GPT(nn.Module):
    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "h": nn.ModuleList([GPTBlock(config) for _ in range(config.n_layer)]),
                "ln_f": LayerNorm(config.n_embd, config.bias),
            }
        )
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight


def draw_gpt(random):
    heads = random.choice([1, 2, 4, 12])
    return {
        "config": GPTConfig(
            random.randint(8, 64),
            random.randint(50, 900),
            random.randint(1, 6),
            heads,
            heads * random.randint(2, 12),
            0.0,
            random.random() < 0.5,
        )
    }


class ConfigCNN(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels, layers = config["in_channels"], []
        for width in config["channels"]:
            layers.append(nn.Conv2d(channels, width, config.get("kernel_size", 3), padding=1))
            if config["batch_norm"]:
                layers.append(nn.BatchNorm2d(width))
            channels = width
        self.features = nn.Sequential(*layers)
        if config["head"] == "linear":
            self.head = nn.Linear(channels, config["num_classes"])
        elif config["head"] == "mlp":
            self.head = nn.Sequential(
                nn.Linear(channels, config["head_dim"]), nn.ReLU(), nn.Linear(config["head_dim"], config["num_classes"])
            )
        else:
            raise ValueError(config["head"])


def draw_config(random):
    config = {
        "in_channels": random.choice([1, 3]),
        "channels": some(random, 2, 50, 1, 5),
        "batch_norm": random.random() < 0.5,
        "kernel_size": random.choice([3, 5]),
        "head": random.choice(["linear", "mlp"]),
        "num_classes": random.randint(2, 50),
        "head_dim": random.randint(4, 60),
    }
    return {"config": config}


class ArgsEncoder(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.args = args
        self.embed = nn.Embedding(args.vocab, args.dim)
        self.layers = nn.ModuleList([nn.GRU(args.dim, args.dim, bidirectional=args.bidirectional) for _ in range(args.layers)])
        if args.use_crf:
            self.transitions = nn.Parameter(torch.zeros(args.tags, args.tags))
        self.out = nn.Linear(args.dim * (2 if args.bidirectional else 1), args.tags)
        self.drop = nn.Dropout(args.dropout)


def draw_namespace(random):
    return {
        "args": argparse.Namespace(
            vocab=random.randint(20, 900),
            dim=random.randint(3, 60),
            bidirectional=random.random() < 0.5,
            layers=random.randint(1, 5),
            use_crf=random.random() < 0.5,
            tags=random.randint(2, 30),
            dropout=0.3,
        )
    }


def draw_facenet(random):
    return random.choice([{}, {"classify": True, "num_classes": random.randint(2, 500)}])


def of_random(**draws: Any) -> Callable[[Random], dict[str, Any]]:
    """Return a draw of each argument: from a range as ``(low, high)``, from a list, or by a function."""

    def draw(random: Random) -> dict[str, Any]:
        def one(way: Any) -> Any:
            return random.randint(*way) if isinstance(way, tuple) else random.choice(way) if isinstance(way, list) else way(random)

        return {name: one(way) for name, way in draws.items()}

    return draw


def draw_autoencoder(random):
    channels = tuple(some(random, 2, 40, 1, 4))
    return {"in_channels": random.choice([1, 3]), "channels": channels, "latent_dim": random.choice([None, random.randint(2, 64)])}


# --- written after the solver worked on those above -------------------------------------------------------------------


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim, layer_scale):
        super().__init__()
        self.dwconv, self.norm = nn.Conv2d(dim, dim, 7, padding=3, groups=dim), nn.LayerNorm(dim)
        self.pwconv1, self.pwconv2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(layer_scale * torch.ones(dim)) if layer_scale > 0 else None


class ConvNeXt(nn.Module):
    def __init__(self, in_chans=3, num_classes=1000, depths=[3, 3, 9, 3], dims=[96, 192, 384, 768], layer_scale_init_value=1e-6):  # noqa: B006
        super().__init__()
        self.downsample_layers = nn.ModuleList([nn.Sequential(nn.Conv2d(in_chans, dims[0], 4, 4), nn.GroupNorm(1, dims[0]))])
        for a, b in pairwise(dims):
            self.downsample_layers.append(nn.Sequential(nn.GroupNorm(1, a), nn.Conv2d(a, b, 2, 2)))
        self.stages = nn.ModuleList()
        for depth, dim in zip(depths, dims, strict=True):
            self.stages.append(nn.Sequential(*[ConvNeXtBlock(dim, layer_scale_init_value) for _ in range(depth)]))
        self.norm, self.head = nn.LayerNorm(dims[-1]), nn.Linear(dims[-1], num_classes)


def draw_convnext(random):
    count = random.choice([3, 4, 4, 5])
    return {
        "in_chans": random.choice([1, 3]),
        "num_classes": random.randint(2, 300),
        "depths": [random.randint(1, 5) for _ in range(count)],
        "dims": [random.randint(4, 64) for _ in range(count)],
    }


VGG_PLANS = {
    "A": [8, "M", 16, "M", 32, 32, "M", 64, 64, "M"],
    "B": [8, 8, "M", 16, 16, "M", 32, 32, "M", 64, 64, "M"],
    "D": [8, 8, "M", 16, 16, "M", 32, 32, 32, "M", 64, 64, 64, "M"],
    "E": [8, 8, "M", 16, 16, "M", 32, 32, 32, 32, "M", 64, 64, 64, 64, "M"],
}


def make_layers(plan, batch_norm):
    layers, channels = [], 3
    for step in plan:
        if step == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, step, 3, padding=1), *([nn.BatchNorm2d(step)] if batch_norm else []), nn.ReLU()]
            channels = step
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, vgg_name, batch_norm=False, num_classes=10, hidden=128):
        super().__init__()
        self.features = make_layers(VGG_PLANS[vgg_name], batch_norm)
        self.classifier = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, num_classes))


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth_rate, bn_size):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, bn_size * growth_rate, 1, bias=False)
        self.norm2, self.conv2 = (
            nn.BatchNorm2d(bn_size * growth_rate),
            nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False),
        )


class DenseNet(nn.Module):
    def __init__(self, growth_rate=32, block_config=(6, 12, 24, 16), num_init_features=64, bn_size=4, num_classes=1000):
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, num_init_features, 7, 2, 3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(num_init_features))
        width = num_init_features
        for index, count in enumerate(block_config):
            block = nn.ModuleDict({f"denselayer{n + 1}": DenseLayer(width + n * growth_rate, growth_rate, bn_size) for n in range(count)})
            self.features.add_module(f"denseblock{index + 1}", block)
            width += count * growth_rate
            if index != len(block_config) - 1:
                self.features.add_module(
                    f"transition{index + 1}", nn.Sequential(nn.BatchNorm2d(width), nn.Conv2d(width, width // 2, 1, bias=False))
                )
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)


class TemporalBlock(nn.Module):
    def __init__(self, inputs, outputs, kernel_size, dilation):
        super().__init__()
        self.conv1 = nn.utils.parametrizations.weight_norm(nn.Conv1d(inputs, outputs, kernel_size, dilation=dilation))
        self.conv2 = nn.utils.parametrizations.weight_norm(nn.Conv1d(outputs, outputs, kernel_size, dilation=dilation))
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None


class TCN(nn.Module):
    def __init__(self, input_size, output_size, num_channels, kernel_size=2, dropout=0.2):
        super().__init__()
        layers = []
        for i in range(len(num_channels)):
            inputs = input_size if i == 0 else num_channels[i - 1]
            layers.append(TemporalBlock(inputs, num_channels[i], kernel_size, 2**i))
        self.network, self.linear = nn.Sequential(*layers), nn.Linear(num_channels[-1], output_size)


class Seq2Seq(nn.Module):
    def __init__(
        self,
        src_vocab: int,
        tgt_vocab: int,
        embed: int,
        hidden: int,
        layers: int = 1,
        attention: Literal["none", "general", "concat"] = "general",
        share_embeddings: bool = False,
    ) -> None:
        super().__init__()
        self.src_embed = nn.Embedding(src_vocab, embed)
        self.tgt_embed = self.src_embed if share_embeddings else nn.Embedding(tgt_vocab, embed)
        self.encoder = nn.GRU(embed, hidden, layers, bidirectional=True)
        self.decoder = nn.GRU(embed + 2 * hidden, hidden, layers)
        if attention == "general":
            self.attention = nn.Linear(2 * hidden, hidden, bias=False)
        elif attention == "concat":
            self.attention = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))
        self.out = nn.Linear(hidden, tgt_vocab)


class Norm(Enum):
    NONE = "none"
    BATCH = "batch"
    LAYER = "layer"


class VAE(nn.Module):
    def __init__(self, input_dim: int, latent_dim: int, widths: Sequence[int] = (512, 256), norm: Norm = Norm.BATCH) -> None:
        super().__init__()

        def stack(sizes: Sequence[int]) -> nn.Sequential:
            parts: list[nn.Module] = []
            for a, b in pairwise(sizes):
                parts.append(nn.Linear(a, b))
                if norm is Norm.BATCH:
                    parts.append(nn.BatchNorm1d(b))
                elif norm is Norm.LAYER:
                    parts.append(nn.LayerNorm(b))
                parts.append(nn.ReLU())
            return nn.Sequential(*parts)

        self.encoder = stack([input_dim, *widths])
        self.mu, self.logvar = nn.Linear(widths[-1], latent_dim), nn.Linear(widths[-1], latent_dim)
        self.decoder = stack([latent_dim, *reversed(widths)])
        self.out = nn.Linear(widths[0], input_dim)


def feed_forward(dim, expansion_factor, dense):
    inner = int(dim * expansion_factor)
    return nn.Sequential(dense(dim, inner), nn.GELU(), dense(inner, dim))


class MLPMixer(nn.Module):
    def __init__(self, *, image_size, channels=3, patch_size, dim, depth, num_classes, expansion_factor=4, expansion_factor_token=0.5):
        super().__init__()
        assert image_size % patch_size == 0, "image must be divisible by patch size"
        patches = (image_size // patch_size) ** 2
        self.embed = nn.Linear(patch_size**2 * channels, dim)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.LayerNorm(dim),
                    feed_forward(patches, expansion_factor, lambda a, b: nn.Conv1d(a, b, 1)),
                    nn.LayerNorm(dim),
                    feed_forward(dim, expansion_factor_token, nn.Linear),
                ]
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(dim, num_classes)


def draw_mixer(random):
    patch = random.choice([4, 8, 16])
    return {
        "image_size": patch * random.randint(2, 10),
        "patch_size": patch,
        "dim": 2 * random.randint(8, 60),
        "depth": random.randint(1, 6),
        "num_classes": random.randint(2, 100),
    }


class SuperResolution(nn.Module):
    """After EDSR: a tail for each scale."""

    def __init__(self, args):
        super().__init__()
        self.head = nn.Conv2d(args.n_colors, args.n_feats, 3, padding=1)
        self.body = nn.Sequential(*[self.block(args.n_feats, args.res_scale) for _ in range(args.n_resblocks)])
        tail = []
        if args.scale in (2, 4, 8):
            for _ in range(int(args.scale).bit_length() - 1):
                tail += [nn.Conv2d(args.n_feats, 4 * args.n_feats, 3, padding=1), nn.PixelShuffle(2)]
        elif args.scale == 3:
            tail += [nn.Conv2d(args.n_feats, 9 * args.n_feats, 3, padding=1), nn.PixelShuffle(3)]
        else:
            raise NotImplementedError(args.scale)
        self.tail = nn.Sequential(*tail, nn.Conv2d(args.n_feats, args.n_colors, 3, padding=1))

    def block(self, width, res_scale):
        return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))


def draw_super_resolution(random):
    return {
        "args": argparse.Namespace(
            n_colors=random.choice([1, 3]),
            n_feats=random.randint(4, 64),
            n_resblocks=random.randint(1, 10),
            scale=random.choice([2, 3, 4, 8]),
            res_scale=random.choice([1.0, 0.1]),
        )
    }


@dataclass
class EncoderConfig:
    channels: list[int] = field(default_factory=lambda: [16, 32])
    kernel_size: int = 3
    squeeze: int | None = None


@dataclass
class HeadConfig:
    hidden: int = 64
    classes: int = 10
    use_bias: bool = True


@dataclass
class NestedConfig:
    in_channels: int = 3
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    head: HeadConfig = field(default_factory=HeadConfig)


class Nested(nn.Module):
    def __init__(self, cfg: NestedConfig) -> None:
        super().__init__()
        widths, encoder = [cfg.in_channels, *cfg.encoder.channels], cfg.encoder
        self.convs = nn.ModuleList(nn.Conv2d(a, b, encoder.kernel_size) for a, b in pairwise(widths))
        if encoder.squeeze is not None:
            self.squeeze = nn.ModuleList(nn.Linear(width, encoder.squeeze) for width in cfg.encoder.channels)
        self.head = nn.Sequential(
            nn.Linear(widths[-1], cfg.head.hidden, bias=cfg.head.use_bias),
            nn.ReLU(),
            nn.Linear(cfg.head.hidden, cfg.head.classes, bias=cfg.head.use_bias),
        )


def draw_nested(random):
    encoder = EncoderConfig(some(random, 2, 50, 1, 4), random.choice([1, 3, 5]), random.choice([None, random.randint(2, 20)]))
    return {
        "cfg": NestedConfig(random.choice([1, 3]), encoder, HeadConfig(random.randint(2, 80), random.randint(2, 50), random.random() < 0.5))
    }


SEEN = [
    Family("SimpleMLP", f"{EXAMPLES}/mlp/model.py:SimpleMLP", of_random(input_size=(1, 900), hidden_size=(1, 300), output_size=(1, 50))),
    Family("SimpleCNN", f"{EXAMPLES}/cnn/model.py:SimpleCNN", of_random(num_classes=(1, 500))),
    Family(
        "custom layer",
        f"{EXAMPLES}/custom_layer/model.py:ModelWithCustomLayer",
        of_random(input_dim=(1, 90), hidden_dim=(1, 90), output_dim=(1, 50)),
    ),
    Family("ResNet", ResNet, draw_resnet),
    Family("ViT", VisionTransformer, draw_vit, given=("num_heads",)),
    Family("text transformer", TextClassifier, draw_text, given=("nhead",)),
    Family("U-Net", UNet, draw_unet),
    Family("MobileNet", MobileNet, of_random(num_classes=(2, 500), width_mult=[0.25, 0.5, 0.75, 1.0, 1.4, 2.0])),
    Family("conv autoencoder", ConvAutoencoder, draw_autoencoder),
    Family("GAN generator", Generator, of_random(nz=(4, 200), ngf=(2, 40), nc=[1, 3], n_extra_layers=(0, 3))),
    Family(
        "LSTM tagger",
        LSTMTagger,
        of_random(
            vocab_size=(9, 900),
            embedding_dim=(2, 60),
            hidden_dim=(2, 60),
            tagset_size=(2, 40),
            num_layers=(1, 4),
            bidirectional=[True, False],
        ),
    ),
    Family(
        "RNN of a kind",
        Tagger,
        of_random(rnn_type=["LSTM", "GRU"], ntoken=(20, 900), ninp=(2, 60), nhid=(2, 60), nlayers=(1, 4)),
    ),
    Family(
        "MLP with a list",
        MLP,
        of_random(
            in_features=(1, 90), hidden=lambda r: some(r, 1, 90, 0, 6), out_features=(1, 30), use_bn=[True, False], bias=[True, False]
        ),
    ),
    Family(
        "dueling network",
        DuelingNetwork,
        of_random(
            state_dim=(1, 40), action_dim=(2, 20), hidden=lambda r: tuple(some(r, 2, 90, 1, 4)), noisy=[True, False], dueling=[True, False]
        ),
    ),
    Family("Lightning", LitRegressor, draw_lightning, stored=lambda drawn: {"hyper_parameters": drawn, "epoch": 3}),
    Family("config dataclass", GPT, draw_gpt, stored=lambda drawn: {"model_args": vars(drawn["config"]), "iter_num": 7}),
    Family("config dictionary", ConfigCNN, draw_config),
    Family("config namespace", ArgsEncoder, draw_namespace, stored=lambda drawn: {"args": drawn["args"]}),
    Family("facenet-pytorch", "facenet_pytorch:InceptionResnetV1", draw_facenet, third_party=True),
    Family("torchcrepe", "torchcrepe:Crepe", of_random(model=["full", "tiny"]), third_party=True),
]
UNSEEN = [
    Family("ConvNeXt", ConvNeXt, draw_convnext, unseen=True),
    Family(
        "VGG by letter", VGG, of_random(vgg_name=list("ABDE"), batch_norm=[True, False], num_classes=(2, 90), hidden=(4, 90)), unseen=True
    ),
    Family(
        "DenseNet",
        DenseNet,
        of_random(
            growth_rate=(4, 40),
            block_config=lambda r: tuple(some(r, 1, 6, 2, 4)),
            num_init_features=(4, 64),
            bn_size=(1, 6),
            num_classes=(2, 90),
        ),
        unseen=True,
    ),
    Family(
        "TCN",
        TCN,
        of_random(input_size=(1, 40), output_size=(1, 40), num_channels=lambda r: some(r, 2, 40, 1, 6), kernel_size=(2, 7)),
        unseen=True,
    ),
    Family(
        "seq2seq",
        Seq2Seq,
        of_random(
            src_vocab=(50, 400), tgt_vocab=(50, 400), embed=(3, 50), hidden=(3, 50), layers=(1, 3), attention=["none", "general", "concat"]
        ),
        unseen=True,
    ),
    Family(
        "VAE",
        VAE,
        of_random(input_dim=(4, 200), latent_dim=(1, 30), widths=lambda r: tuple(some(r, 3, 90, 1, 4)), norm=list(Norm)),
        unseen=True,
    ),
    Family("MLP-Mixer", MLPMixer, draw_mixer, unseen=True),
    Family(
        "super-resolution", SuperResolution, draw_super_resolution, unseen=True, stored=lambda drawn: {"opt": {"args": vars(drawn["args"])}}
    ),
    Family("nested configuration", Nested, draw_nested, unseen=True),
]
FAMILIES = [*SEEN, *UNSEEN]
