"""A network that is built from a layer of its own."""

import torch
from torch import nn


class CustomLayer(nn.Module):
    """A linear layer followed by a sigmoid."""

    def __init__(self, input_dim: int, output_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(input_dim, output_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.linear(x))


class ModelWithCustomLayer(nn.Module):
    """A regression network with the custom layer in its middle."""

    def __init__(self, input_dim: int, hidden_dim: int, output_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.custom = CustomLayer(hidden_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, output_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.custom(torch.relu(self.fc1(x))))
