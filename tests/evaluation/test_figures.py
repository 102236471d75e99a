"""The figures are scikit-learn's and scipy's, however the samples are cut into batches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from pthway.evaluation.classification import BINS, SHOWN_CLASSES, Counting
from pthway.evaluation.comparison import EXACT, exact_p
from pthway.evaluation.regression import POINTS, Summing


def answers(samples, classes, seed):
    """Logits that are often right, with the true classes; every class need not be among them."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, classes, samples)
    logits = draw.normal(size=(samples, classes))
    logits[np.arange(samples), truth] += draw.normal(1, 1, samples)
    return truth, logits, softmax(logits, axis=1)


def counted(truth, logits, probabilities, batch, top=None):
    counting = Counting([f"c{index}" for index in range(logits.shape[1])], top)
    ranking = np.argsort(-logits, axis=1, kind="stable")
    for begin in range(0, len(truth), batch):
        rows = slice(begin, begin + batch)
        counting.add(truth[rows], ranking[rows], probabilities[rows])
    return counting.figures()


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 200), st.integers(2, 9), st.integers(0, 1000), st.integers(1, 70))
def test_the_figures_of_a_classifier_are_scikit_learns(samples, classes, seed, batch):
    truth, logits, chances = answers(samples, classes, seed)
    found = counted(truth, logits, chances, batch)
    best, all_classes = logits.argmax(1), range(classes)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truth, best, labels=all_classes, zero_division=0)
    np.testing.assert_allclose([each.precision for each in found.classes], precision)
    np.testing.assert_allclose([each.recall for each in found.classes], recall)
    np.testing.assert_allclose([each.f1 for each in found.classes], f1)
    assert [each.samples for each in found.classes] == support.tolist()
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, best))
    assert found.confusion == tuple(map(tuple, metrics.confusion_matrix(truth, best, labels=all_classes).tolist()))
    assert found.log_loss == pytest.approx(metrics.log_loss(truth, chances, labels=all_classes))
    assert found.balanced_accuracy == pytest.approx(
        metrics.recall_score(truth, best, average="macro", zero_division=0, labels=np.unique(truth))
    )
    assert found.macro_f1 == pytest.approx(metrics.f1_score(truth, best, average="macro", zero_division=0))
    assert found.samples == samples


@pytest.mark.parametrize("top", [None, 2, 3])
def test_top_k_is_scikit_learns_for_the_k_that_is_asked(top):
    truth, logits, chances = answers(300, 8, 1)
    k = top or 5
    expected = metrics.top_k_accuracy_score(truth, logits, k=k, labels=range(8))
    assert counted(truth, logits, chances, 64, top).top == {k: pytest.approx(expected)}


@pytest.mark.parametrize(("classes", "top", "told"), [(5, None, {}), (6, None, {5}), (4, 4, {}), (4, 3, {3}), (4, 1, {})])
def test_top_k_of_all_classes_or_of_one_says_nothing_and_is_not_told(classes, top, told):
    assert set(counted(*answers(50, classes, 1), 64, top).top) == set(told)


def test_the_reliability_curve_is_scikit_learns():
    truth, logits, chances = answers(2000, 3, 2)
    found = counted(truth, logits, chances, 128)
    right = logits.argmax(1) == truth
    accuracy, confidence = calibration_curve(right, chances.max(1), n_bins=BINS)
    np.testing.assert_allclose([each.accuracy for each in found.reliability], accuracy)
    np.testing.assert_allclose([each.confidence for each in found.reliability], confidence)
    counts = np.histogram(chances.max(1), np.linspace(0, 1, BINS + 1))[0]
    assert [each.samples for each in found.reliability] == counts[counts > 0].tolist()
    assert found.calibration_error == pytest.approx(np.average(abs(accuracy - confidence), weights=counts[counts > 0]))


def test_answers_that_are_as_right_as_they_are_sure_have_no_calibration_error():
    counting = Counting(["a", "b"], None)
    counting.add(np.array([0, 0, 0, 1]), np.array([[0, 1]] * 4), np.array([[0.75, 0.25]] * 4))
    assert counting.figures().calibration_error == 0


def test_the_confusion_matrix_is_given_up_to_its_limit_and_what_is_taken_for_what_always():
    for classes, whole in ((SHOWN_CLASSES, True), (SHOWN_CLASSES + 1, False)):
        counting = Counting([str(index) for index in range(classes)], None)
        chances = np.full((3, classes), 1 / classes)
        ranking = np.tile(np.roll(np.arange(classes), -7), (3, 1))
        counting.add(np.array([7, 2, 2]), ranking, chances)
        found = counting.figures()
        assert (found.confusion is not None) is whole
        assert (found.classes[2].taken_for, found.classes[7].taken_for) == ("7", None)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 300), st.integers(0, 1000), st.integers(1, 70))
def test_the_errors_of_values_are_scikit_learns(samples, seed, batch):
    draw = np.random.default_rng(seed)
    truth = draw.normal(1000, 3, samples)
    values = truth + draw.normal(0.5, 2, samples)
    summing = Summing()
    for begin in range(0, samples, batch):
        summing.add(truth[begin : begin + batch], values[begin : begin + batch])
    found = summing.figures()
    assert found.mean_absolute_error == pytest.approx(metrics.mean_absolute_error(truth, values))
    assert found.root_mean_squared_error == pytest.approx(metrics.root_mean_squared_error(truth, values))
    assert found.r2 == pytest.approx(metrics.r2_score(truth, values), rel=1e-6)
    assert found.largest_error == pytest.approx(metrics.max_error(truth, values))
    assert found.mean_error == pytest.approx((values - truth).mean())


def test_equal_true_values_have_no_r2():
    summing = Summing()
    summing.add(np.ones(3), np.array([1.0, 2, 3]))
    assert summing.figures().r2 is None


@pytest.mark.parametrize("samples", [POINTS, POINTS + 1, 20 * POINTS])
def test_the_points_of_the_plot_are_bounded_and_from_everywhere(samples):
    summing = Summing()
    for begin in range(0, samples, 100):
        truth = np.arange(begin, min(begin + 100, samples), dtype=float)
        summing.add(truth, truth + 1)
    points = summing.figures().points
    assert len(points) == POINTS == len(set(points))
    assert all(answer == truth + 1 for truth, answer in points)
    assert np.mean([truth for truth, _ in points]) == pytest.approx(samples / 2, rel=0.2)


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0), (0, 1), (3, 3), (2, 9), (0, 30), (EXACT // 2, EXACT // 2), (470, 530), (470, 531), (9000, 9300)]
)
def test_the_paired_test_is_scipys_exact_binomial_test(first, second):
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert exact_p(first, second) == pytest.approx(expected, rel=1e-9)
    assert exact_p(first, second) == exact_p(second, first)
