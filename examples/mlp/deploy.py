"""The same as by_hand.py with pthway, which solves the three sizes from the weights. Run it in this folder."""

import argparse

import numpy as np

import pthway

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("-o", dest="output", help="also save the raw output, as .npy")
options = parser.parse_args()

model = pthway.load("simple_mlp.pth", "model.py:SimpleMLP")
outputs = model.predict(np.load("sample.npy")).array

print("predicted:", *outputs.argmax(1))
print("truth:    ", *np.load("truth.npy"))
if options.output:
    np.save(options.output, outputs)
