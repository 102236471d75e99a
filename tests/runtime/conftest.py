"""One bundle a network for all tests of a session, packed when it is first asked for."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import pthway

HERE = Path(__file__).parent


def beside(name):
    """A module of this folder: tests are no package."""
    full = f"runtime_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, HERE / f"{name}.py")
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


networks, cases = beside("networks"), beside("cases")


class Packed:
    def __init__(self, folder):
        self.folder = folder
        self._bundles, self._sessions = {}, {}

    def module(self, name):
        """The network in eager torch, with the weights that were packed."""
        torch.manual_seed(0)
        module = getattr(networks, name)().eval()
        for each in module.modules():
            if isinstance(each, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(each.running_mean)
                torch.nn.init.uniform_(each.running_var, 0.5, 2)
        return module

    def reference(self, name):
        return f"{HERE / 'networks.py'}:{name}"

    def bundle(self, name, example=None):
        if name not in self._bundles:
            weights = self.folder / f"{name}.pth"
            torch.save(self.module(name).state_dict(), weights)
            model = pthway.load(weights, self.reference(name))
            self._bundles[name] = pthway.pack(model, self.folder / f"{name}.bundle", example=example)
        return self._bundles[name]

    def of(self, case):
        return self.bundle(case.network, case.inputs(np.random.default_rng(0), 3) if case.example else None)

    def session(self, case, runtime):
        key = (case.network, runtime)
        if key not in self._sessions:
            self._sessions[key] = pthway.open_session(self.of(case), runtime=runtime)
        return self._sessions[key]


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    return Packed(tmp_path_factory.mktemp("bundles"))


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", cases.CASES, ids=[case.network for case in cases.CASES])
