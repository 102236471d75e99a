"""These tests need torchvision, timm and transformers: `make test-zoo` runs them in an environment of their own."""

from importlib.util import find_spec

collect_ignore_glob = [] if all(map(find_spec, ("torchvision", "timm", "transformers"))) else ["test_*.py"]
