"""What deploying model_custom.pth takes without pthway. Run it in this folder."""

import argparse
import sys

import numpy as np
import torch
from model import ModelWithCustomLayer

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("-o", dest="output", help="also save the raw output, as .npy")
options = parser.parse_args()

# The file does not say it: these three numbers have to be known, or read off the shapes of its tensors.
network = ModelWithCustomLayer(input_dim=10, hidden_dim=20, output_dim=1)
try:
    network.load_state_dict(torch.load("model_custom.pth", map_location="cpu", weights_only=True))
except FileNotFoundError:
    sys.exit("model_custom.pth is not here: run train.py")
except RuntimeError as error:
    sys.exit(f"model_custom.pth does not fit ModelWithCustomLayer: {error}")
network.eval()

inputs = torch.from_numpy(np.load("sample.npy"))
with torch.inference_mode():
    outputs = network(inputs).numpy()

print("predicted:", *(f"{value:.2f}" for value in outputs[:, 0]))
print("truth:    ", *(f"{value:.2f}" for value in np.load("truth.npy")[:, 0]))
if options.output:
    np.save(options.output, outputs)
