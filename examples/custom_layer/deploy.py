"""The same as by_hand.py with pthway, which solves the three sizes from the weights. Run it in this folder."""

import argparse

import numpy as np

import pthway

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("-o", dest="output", help="also save the raw output, as .npy")
options = parser.parse_args()

model = pthway.load("model_custom.pth", "model.py:ModelWithCustomLayer")
outputs = model.predict(np.load("sample.npy")).array

print("predicted:", *(f"{value:.2f}" for value in outputs[:, 0]))
print("truth:    ", *(f"{value:.2f}" for value in np.load("truth.npy")[:, 0]))
if options.output:
    np.save(options.output, outputs)
