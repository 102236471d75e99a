"""Train SimpleMLP(784, 128, 10) on handwritten digits and save its weights, in plain PyTorch.

Needs scikit-learn, whose 1797 digits of 8×8 pixels are enlarged to 28×28.
Run it in this folder.
"""

import numpy as np
import torch
from model import SimpleMLP
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

SHOWN = 8

digits = load_digits()
images = np.pad(digits.images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2))) / 16
pixels = images.reshape(-1, 784).astype(np.float32)
train_x, held_x, train_y, held_y = train_test_split(pixels, digits.target, test_size=297, stratify=digits.target, random_state=0)

torch.manual_seed(0)
torch.set_num_threads(1)  # the order of the sums, and so the weights, would depend on the number of cores
model = SimpleMLP(784, 128, 10)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
x, y = torch.from_numpy(train_x), torch.from_numpy(train_y)
for _ in range(30):
    for rows in torch.randperm(len(x)).split(50):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()

model.eval()
with torch.no_grad():
    right = model(torch.from_numpy(held_x)).argmax(1).numpy() == held_y
print(f"accuracy on {len(held_y)} held-out digits: {right.mean():.3f}")
torch.save(model.state_dict(), "simple_mlp.pth")
np.save("sample.npy", held_x[:SHOWN])
np.save("truth.npy", held_y[:SHOWN])
