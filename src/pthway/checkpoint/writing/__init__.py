"""Weights files, written: what goes where is planned as a `Layout`, then the bytes of the tensors flow into it."""
