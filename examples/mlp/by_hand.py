"""What deploying simple_mlp.pth takes without pthway. Run it in this folder."""

import argparse
import sys

import numpy as np
import torch
from model import SimpleMLP

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("-o", dest="output", help="also save the raw output, as .npy")
options = parser.parse_args()

# The file does not say it: these three numbers have to be known, or read off the shapes of its tensors.
network = SimpleMLP(input_size=784, hidden_size=128, output_size=10)
try:
    network.load_state_dict(torch.load("simple_mlp.pth", map_location="cpu", weights_only=True))
except FileNotFoundError:
    sys.exit("simple_mlp.pth is not here: run train.py")
except RuntimeError as error:
    sys.exit(f"simple_mlp.pth does not fit SimpleMLP: {error}")
network.eval()

inputs = torch.from_numpy(np.load("sample.npy"))
with torch.inference_mode():
    outputs = network(inputs).numpy()

print("predicted:", *outputs.argmax(1))
print("truth:    ", *np.load("truth.npy"))
if options.output:
    np.save(options.output, outputs)
