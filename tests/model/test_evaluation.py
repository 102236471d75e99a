"""Evaluation mode for the time of a call: whoever comes last puts every flag back, whatever happens in between."""

import threading

import pytest
from torch import nn

from pthway.model.evaluation import Evaluation


def network() -> nn.Module:
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)))
    module.train()
    module[1][1].eval()
    return module


def flags(module: nn.Module) -> list[bool]:
    return [each.training for each in module.modules()]


def test_inside_nothing_trains_and_afterwards_all_is_as_before() -> None:
    module = network()
    before = flags(module)
    with Evaluation(module):
        assert not any(flags(module))
    assert flags(module) == before


def test_an_exception_restores_the_flags_and_goes_through() -> None:
    module = network()
    before = flags(module)
    with pytest.raises(KeyError), Evaluation(module):
        raise KeyError
    assert flags(module) == before


def test_the_first_to_leave_leaves_the_flags_to_the_last() -> None:
    module = network()
    before, evaluation = flags(module), Evaluation(module)
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with evaluation:
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=stay)
    thread.start()
    assert entered.wait(5)
    with evaluation:
        pass
    assert not any(flags(module)), "another thread is still inside"
    leave.set()
    thread.join()
    assert flags(module) == before


def test_a_module_that_refuses_to_train_is_not_asked_to() -> None:
    class Exported(nn.Linear):
        def train(self, mode: bool = True) -> "Exported":
            raise NotImplementedError

    module = Exported(2, 2)
    with Evaluation(module):
        assert not module.training
    assert module.training


def test_shared_and_absent_submodules_are_met_once_and_skipped() -> None:
    module = nn.Module()
    module.one = nn.Dropout()
    module.other = module.one
    module.none = None
    with Evaluation(module):
        assert not module.one.training
    assert module.one.training


def test_a_module_is_at_rest_only_where_nobody_is_about_to_restore_a_flag() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    evaluation = Evaluation(module)
    assert evaluation.needed
    with evaluation:
        assert not any(each.training for each in module.modules())
        assert evaluation.needed
    module.eval()
    assert not evaluation.needed
