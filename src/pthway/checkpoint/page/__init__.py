"""A checkpoint as one HTML page that asks nothing of the network, and as the short form that a notebook shows."""
