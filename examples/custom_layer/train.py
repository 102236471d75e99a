"""Train ModelWithCustomLayer(10, 20, 1) on the progression of diabetes and save its weights, in plain PyTorch.

Needs scikit-learn, whose data set has ten measurements of each of 442 patients and one number to predict.
Run it in this folder.
"""

import numpy as np
import torch
from model import ModelWithCustomLayer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from torch import nn

SHOWN = 8
MEASURED = 20
"""Brings the measurements, which scikit-learn gives with norm 1 over all patients, to about one."""
PROGRESSION = 100
"""The unit of what is predicted: the data have 25 to 346."""

patients = load_diabetes()
measured = (patients.data * MEASURED).astype(np.float32)
progression = (patients.target[:, None] / PROGRESSION).astype(np.float32)
train_x, held_x, train_y, held_y = train_test_split(measured, progression, test_size=89, random_state=0)

torch.manual_seed(0)
torch.set_num_threads(1)  # the order of the sums, and so the weights, would depend on the number of cores
model = ModelWithCustomLayer(input_dim=10, hidden_dim=20, output_dim=1)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-3)
x, y = torch.from_numpy(train_x), torch.from_numpy(train_y)
for _ in range(100):
    for rows in torch.randperm(len(x)).split(32):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
        optimizer.step()

model.eval()
with torch.no_grad():
    error = model(torch.from_numpy(held_x)).numpy() - held_y
print(f"R² on {len(held_y)} held-out patients: {1 - (error**2).mean() / held_y.var():.2f}")
torch.save(model.state_dict(), "model_custom.pth")
np.save("sample.npy", held_x[:SHOWN])
np.save("truth.npy", held_y[:SHOWN])
