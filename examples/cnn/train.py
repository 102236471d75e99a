"""Train SimpleCNN on handwritten digits and save its weights, in plain PyTorch.

Needs scikit-learn, whose 1797 digits of 8×8 pixels are enlarged to 28×28 and repeated in three channels.
Run it in this folder.
"""

import numpy as np
import torch
from model import SimpleCNN
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

SHOWN = 8

digits = load_digits()
grey = np.pad(digits.images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2))) / 16
images = grey[:, None].repeat(3, axis=1).astype(np.float32)
train_x, held_x, train_y, held_y = train_test_split(images, digits.target, test_size=297, stratify=digits.target, random_state=0)

torch.manual_seed(0)
torch.set_num_threads(1)  # the order of the sums, and so the weights, would depend on the number of cores
model = SimpleCNN(num_classes=10)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
x, y = torch.from_numpy(train_x), torch.from_numpy(train_y)
for _ in range(6):
    for rows in torch.randperm(len(x)).split(50):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()

model.eval()
with torch.no_grad():
    right = model(torch.from_numpy(held_x)).argmax(1).numpy() == held_y
print(f"accuracy on {len(held_y)} held-out digits: {right.mean():.3f}")
torch.save(model.state_dict(), "simple_cnn.pth")
np.save("sample.npy", held_x[:SHOWN])
np.save("truth.npy", held_y[:SHOWN])
