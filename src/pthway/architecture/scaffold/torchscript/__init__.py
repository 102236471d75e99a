"""From the program of a TorchScript archive, which is text, to methods in torch's Python. It is parsed and translated, never run."""
