"""What deploying simple_cnn.pth takes without pthway. Run it in this folder."""

import argparse
import sys

import numpy as np
import torch
from model import SimpleCNN

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("-o", dest="output", help="also save the raw output, as .npy")
options = parser.parse_args()

network = SimpleCNN(num_classes=10)
try:
    network.load_state_dict(torch.load("simple_cnn.pth", map_location="cpu", weights_only=True))
except FileNotFoundError:
    sys.exit("simple_cnn.pth is not here: run train.py")
except RuntimeError as error:
    sys.exit(f"simple_cnn.pth does not fit SimpleCNN: {error}")
network.eval()

inputs = torch.from_numpy(np.load("sample.npy"))
# Nothing else would notice: 56×56 pixels give four answers an image, because the network flattens with view(-1, …).
if inputs.shape[1:] != (3, 28, 28):
    sys.exit(f"SimpleCNN takes images of 3×28×28, not {tuple(inputs.shape[1:])}")
with torch.inference_mode():
    outputs = network(inputs).numpy()

print("predicted:", *outputs.argmax(1))
print("truth:    ", *np.load("truth.npy"))
if options.output:
    np.save(options.output, outputs)
