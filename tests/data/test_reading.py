"""An output is read as it is told to be, and an answer tells the classes that it is told to."""

import json

import numpy as np
import pytest
import torch

from pthway.data.present import Answer
from pthway.data.reading import Reading
from pthway.data.write import write_answers
from pthway.errors import UsageError

LOGITS = np.array([[1.0, 3.0, 2.0], [-1.0, -4.0, -2.0]], np.float32)
TENSOR = torch.from_numpy(LOGITS).double()
LABELS = ["cat", "dog", "owl"]


def read(array, *reading, labels=None):
    return Answer({"": np.asarray(array, np.float32)}, labels=labels, reading=Reading(*reading))


@pytest.mark.parametrize(
    ("kind", "numbers", "expected"),
    [
        ("softmax", TENSOR, TENSOR.softmax(1)),
        ("softmax", TENSOR.softmax(1), TENSOR.softmax(1).float().double().softmax(1)),
        ("sigmoid", TENSOR, TENSOR.sigmoid()),
        ("probabilities", TENSOR.sigmoid(), TENSOR.sigmoid()),
        ("log-probabilities", TENSOR.log_softmax(1), TENSOR.softmax(1)),
    ],
)
def test_probabilities_are_torchs(kind, numbers, expected):
    np.testing.assert_allclose(read(numbers, kind).probabilities, expected, rtol=1e-6)


def test_a_softmax_that_is_asked_for_is_taken_although_the_rows_are_probabilities():
    rows = TENSOR.softmax(1)
    assert read(rows, "softmax").probabilities[0, 1] < read(rows).probabilities[0, 1]


def test_of_many_labels_those_hold_whose_own_probability_reaches_the_threshold():
    answer = read([[0.0, 3.0, -0.1], [-9.0, -8.0, -7.0]], "sigmoid", labels=LABELS)
    assert [[label for label, _ in row] for row in answer.told] == [["dog", "cat"], []]
    assert answer.labels == ["dog", None] and answer.several
    strict = read([[0.0, 3.0, -0.1]], "sigmoid", None, 0.6, labels=LABELS)
    assert [label for label, _ in strict.told[0]] == ["dog"]
    assert "each label for itself" in answer.reading and str(answer).splitlines()[1] == "no class"


def test_top_and_threshold_decide_how_many_classes_are_told():
    assert [len(row) for row in read(LOGITS, "softmax").told] == [1, 1]
    assert [len(row) for row in read(LOGITS, "softmax", 2).told] == [2, 2]
    assert [len(row) for row in read(LOGITS, "softmax", 9).told] == [3, 3]
    assert [len(row) for row in read(LOGITS, "softmax", None, 0.2).told] == [2, 2]
    assert [len(row) for row in read(LOGITS, "softmax", 1, 0.7).told] == [0, 1]
    assert read(LOGITS, "softmax", 1, 0.7).labels == [None, 0]
    assert [len(row) for row in read(LOGITS, "sigmoid", 2).told] == [2, 2]


def test_a_probability_at_the_threshold_is_told():
    assert read([[0.5, 0.25]], "probabilities", None, 0.5).told == [[(0, 0.5)]]
    assert read([[0.5, 0.25]], "probabilities", None, 0.5000001).told == [[]]


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_one_score_decides_between_two_classes(shape):
    scores = np.array([2.0, -3.0, 40.0], np.float32).reshape(shape)
    answer = read(scores, "sigmoid", 1, labels=["no", "yes"])
    assert answer.labels == ["yes", "no", "yes"]
    np.testing.assert_allclose(answer.probabilities, torch.tensor([[-2.0, 2.0], [3.0, -3.0], [-40.0, 40.0]]).double().sigmoid(), rtol=1e-12)
    assert read(scores, "sigmoid", 1).labels == [1, 0, 1]
    assert read(1 / (1 + np.exp(-scores)), "probabilities", labels=["no", "yes"]).labels == ["yes", "no", "yes"]


def test_one_score_of_one_label_is_that_label_alone():
    assert read([[2.0], [-3.0]], "sigmoid", labels=["tumour"]).labels == ["tumour", None]


def test_values_are_no_classes():
    answer = read(LOGITS, "values")
    assert not answer.scored and "from -4 to 3" in str(answer)
    with pytest.raises(UsageError, match="no class scores"):
        _ = answer.labels


@pytest.mark.parametrize(
    ("kind", "numbers"), [("probabilities", [[0.2, 1.2]]), ("probabilities", [[-0.2, 1]]), ("log-probabilities", [[0.1, -2]])]
)
def test_numbers_of_another_kind_are_refused(kind, numbers):
    with pytest.raises(UsageError, match=f"read as {kind}"):
        _ = read(numbers, kind).labels


@pytest.mark.parametrize("kind", ["sigmoid", "probabilities", "softmax", "log-probabilities"])
def test_a_row_of_nan_names_no_class(kind):
    with pytest.raises(UsageError, match="NaN or infinite in 1 of 2 rows"):
        _ = read([[-1.0, np.nan], [0.0, 0.0]] if kind.startswith("log") else [[0.5, np.nan], [0.5, 0.5]], kind).told


@pytest.mark.parametrize(
    "wrong", [("cosine",), ("auto", 0), ("auto", True), ("auto", 1.5), ("auto", None, 1.5), ("auto", None, float("nan")), ("values", 3)]
)
def test_readings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError, match=r"reading is|top is|threshold is|Values are read"):
        Reading(*wrong)


def test_tables_and_lines_hold_every_class_that_is_told(tmp_path):
    answer = read([[2.0, 3.0, -5.0], [-9.0, -8.0, -7.0]], "sigmoid", labels=LABELS)
    write_answers(tmp_path / "a.csv", ["x", "y"], answer)
    rows = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines()]
    assert rows[0][:5] == ["input", "label", "score", "label_2", "score_2"]
    assert (rows[1][1], rows[1][3], rows[2][1:5]) == ("dog", "cat", ["", "", "", ""])
    write_answers(tmp_path / "a.jsonl", ["x", "y"], answer)
    first, second = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    assert [each["label"] for each in first["classes"]] == ["dog", "cat"] and first["classes"][0]["score"] == float(rows[1][2])
    assert second["label"] is None and second["classes"] == []
