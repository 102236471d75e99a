"""Answers read as torch reads them, and as people do."""

import timeit

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pthway.data.present import Answer
from pthway.errors import UsageError

LOGITS = np.array([[1.0, 3.0, 2.0]], np.float32)
BATCH = np.array([[1, 3, 2], [5, 0, 0]], np.float32)


def test_building_an_answer_costs_less_than_two_microseconds_and_fetches_nothing():
    def fetch():
        raise AssertionError("fetched")

    seconds = min(timeit.repeat(lambda: Answer({"": fetch}, labels=("a", "b"), single=True), number=10_000, repeat=5)) / 10_000
    assert seconds < 2e-6


def test_an_array_is_fetched_once():
    calls = []

    def fetch():
        calls.append(1)
        return BATCH

    answer = Answer({"": fetch})
    assert answer.array is answer.array
    assert len(answer) == 2
    assert calls == [1]


def test_several_outputs_are_named_where_one_is_meant():
    answer = Answer({"boxes": BATCH, "scores": BATCH})
    with pytest.raises(UsageError, match=r"'boxes', 'scores'") as caught:
        _ = answer.array
    assert caught.value.fix == "answer.arrays['boxes']"
    assert set(answer.arrays) == {"boxes", "scores"}
    assert "boxes: float32, 2×3" in str(answer)


def test_one_row_has_a_label_and_a_score():
    answer = Answer({"": LOGITS}, labels=["cat", "dog", "owl"], single=True)
    assert answer.label == "dog"
    assert answer.score == pytest.approx(torch.tensor(LOGITS).softmax(1)[0, 1].item())
    assert [label for label, _ in answer.top(2)] == ["dog", "owl"]
    assert answer.reading == "softmax of 3 scores"
    assert answer.single


def test_without_labels_a_class_goes_by_its_index():
    assert Answer({"": LOGITS}).label == 1
    assert type(Answer({"": LOGITS}).label) is int


@pytest.mark.parametrize(("one", "several"), [("label", "labels"), ("score", "scores")])
def test_several_rows_are_asked_for_by_the_plural(one, several):
    answer = Answer({"": BATCH})
    with pytest.raises(UsageError, match="2 rows") as caught:
        getattr(answer, one)
    assert caught.value.fix == f"answer.{several}"
    assert len(getattr(answer, several)) == 2
    assert [len(ranking) for ranking in answer.top(2)] == [2, 2]


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3"])
def test_top_counts_classes(k):
    with pytest.raises(UsageError):
        Answer({"": LOGITS}).top(k)


def test_top_gives_all_classes_where_there_are_fewer():
    assert len(Answer({"": LOGITS}).top(10)) == 3


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.floats(-(2.0**90), 2.0**90, width=32)))
def test_probabilities_are_torchs_softmax(scores):
    answer = Answer({"": scores})
    if answer.reading.startswith("softmax"):
        expected = torch.tensor(scores, dtype=torch.float64).softmax(1).numpy()
        np.testing.assert_allclose(answer.probabilities, expected, rtol=1e-12, atol=0)
    assert answer.labels == scores.argmax(1).tolist()
    np.testing.assert_allclose(answer.probabilities.sum(1), 1, atol=1e-4)


def test_rows_that_are_probabilities_are_taken_as_they_are():
    rows = torch.tensor(BATCH).softmax(1).numpy()
    np.testing.assert_array_equal(Answer({"": rows}).probabilities, rows)
    assert "already" in Answer({"": rows}).reading


def test_log_probabilities_are_exponentiated():
    rows = torch.tensor(BATCH).log_softmax(1).numpy()
    np.testing.assert_allclose(Answer({"": rows}).probabilities, torch.tensor(BATCH).softmax(1), rtol=1e-6)
    assert "log-probabilities" in Answer({"": rows}).reading


def test_one_row_of_scores_makes_softmax_of_all():
    rows = np.array([[0.5, 0.5], [0.5, 2]], np.float32)
    assert Answer({"": rows}).reading.startswith("softmax")


def test_classes_that_underflow_are_still_ranked_by_their_scores():
    assert [label for label, _ in Answer({"": np.array([[-2000, 0, -1000.0]])}).top(3)] == [1, 2, 0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_of_nan_never_gets_a_label(bad):
    answer = Answer({"": np.array([[1, 2], [bad, 1]], np.float32)})
    with pytest.raises(UsageError, match=r"1 of 2 rows \(row 1"):
        _ = answer.labels
    with pytest.raises(UsageError, match="NaN"):
        answer.top(1)
    assert np.isnan(answer.probabilities[1]).all()
    assert answer.probabilities[0, 1] == pytest.approx(torch.tensor([1.0, 2]).softmax(0)[1].item())
    assert "NaN" in str(answer)


def test_masked_classes_of_minus_infinity_have_no_chance():
    assert Answer({"": np.array([[1, -np.inf, 0]])}).probabilities[0, 1] == 0


def test_a_row_of_nothing_but_minus_infinity_names_no_class():
    with pytest.raises(UsageError, match="NaN or infinite"):
        _ = Answer({"": np.full((1, 3), -np.inf)}).label


def test_the_number_of_labels_is_the_number_of_columns():
    answer = Answer({"": LOGITS}, labels=["a", "b"])
    with pytest.raises(UsageError, match="2 labels are given for 3 classes"):
        _ = answer.label
    assert "2 labels" in str(answer)


@pytest.mark.parametrize("array", [np.zeros((1, 1), np.float32), np.zeros((1, 3), np.int64), np.zeros((1, 3, 4, 4), np.float32)])
def test_what_is_no_table_of_scores_has_no_label(array):
    answer = Answer({"": array})
    with pytest.raises(UsageError, match="no class scores"):
        _ = answer.label
    assert str(answer)


def test_a_scalar_has_a_value():
    assert Answer({"": np.array([[2.5]], np.float32)}).value == 2.5
    assert Answer({"": np.array([2.5], np.float32)}).value == 2.5
    many = Answer({"": np.array([[1], [2]], np.float32)})
    with pytest.raises(UsageError) as caught:
        _ = many.value
    assert caught.value.fix == "answer.values"
    assert many.values.tolist() == [1, 2]
    with pytest.raises(UsageError, match="3 numbers a sample"):
        _ = Answer({"": LOGITS}).values


def test_text_is_readable():
    assert str(Answer({"": LOGITS}, labels=["cat", "dog", "owl"])) == "dog 66.5%, owl 24.5%, cat 9.0%\n(softmax of 3 scores)"
    assert str(Answer({"": np.array([[2.5]])})) == "2.5"
    assert str(Answer({"y": np.array([[[0, 1.5]]], np.float32)})) == "y: float32, 1×1×2, from 0 to 1.5: 0, 1.5"
    assert str(Answer({"": np.zeros((30, 2), np.float32)})).splitlines()[10] == "… and 20 more rows"
    assert str(Answer({"y": np.zeros((1, 2), bool)})) == "y: bool, 1×2, from 0 to 1: 0, 0".replace("to 1", "to 0")
    assert str(Answer({})) == ""


def test_an_empty_batch_has_empty_answers():
    answer = Answer({"": np.zeros((0, 3), np.float32)})
    assert (answer.labels, answer.scores, answer.top(1), str(answer).splitlines()[0]) == ([], [], [], "no rows")
