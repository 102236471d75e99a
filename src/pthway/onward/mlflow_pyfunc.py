"""What MLflow calls to load a model that pthway exported: the bundle in its folder, behind MLflow's ``predict``."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from pthway.runtime.runner import Array
from pthway.runtime.session import Session, open_session


@final
class Predictor:
    """A session as MLflow calls it."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Array | dict[str, Array]:  # MLflow's
        """The outputs for a batch: an array, or a dictionary of several by name.

        *model_input* is an array, a mapping of arrays by name, or a data frame: one whose columns are the inputs, or whose columns are the
        features of the only one. Raises `InputRefused` for what does not fit.
        """
        names = [each.name for each in self.session.signature.inputs]
        answers = self.session.predict(_given(model_input, names)).arrays
        return dict(answers) if len(answers) > 1 else next(iter(answers.values()))


def _given(value: Any, names: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {str(name): np.asarray(each) for name, each in value.items()}
    columns = getattr(value, "columns", None)
    if columns is None:
        return value
    if set(names) <= {str(column) for column in columns}:
        return {name: np.stack([np.asarray(entry) for entry in value[name]]) for name in names}
    return value.to_numpy()


def _load_pyfunc(path: str) -> Predictor:
    """The model in the folder that ``data`` of the file ``MLmodel`` names."""
    return Predictor(open_session(path))
