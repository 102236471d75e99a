"""How right a bundle is on data with known answers: figures, and two bundles or runtimes side by side. Never imports torch."""

from pthway.evaluation.evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
