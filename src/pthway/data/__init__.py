"""Files, images and tables to named arrays, and arrays to readable answers. Knows nothing of models, and never imports torch."""
