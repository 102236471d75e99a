"""Exact solving of moves from slopes."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pthway.architecture.linear import Equation, dependent, solve_moves


def equation(residual: int, weight: int = 1, **slopes: int) -> Equation:
    return Equation(tuple((name, Fraction(slope)) for name, slope in slopes.items()), residual, weight)


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 9), st.integers(1, 9))
def test_a_sum_is_solved_once_one_of_its_terms_shows_alone(a: int, b: int, by_a: int, by_b: int) -> None:
    equations = [equation(by_a * a + by_b * b, a=by_a, b=by_b), equation(by_a * a, a=by_a)]
    assert solve_moves(equations, frozenset()) == {"a": a, "b": b}


@given(st.integers(-50, 50), st.integers(-50, 50))
def test_combinations_are_solved_together(a: int, b: int) -> None:
    assert solve_moves([equation(a + b, a=1, b=1), equation(a - b, a=1, b=-1)], frozenset()) == {"a": a, "b": b}


def test_where_one_equation_is_left_for_two_the_reluctant_one_stays() -> None:
    assert solve_moves([equation(12, a=3, b=4)], frozenset("a")) == {"a": 0, "b": 3}
    assert solve_moves([equation(12, a=3, b=4)], frozenset("b")) == {"a": 4, "b": 0}


def test_the_majority_wins_over_a_contradicting_size() -> None:
    assert solve_moves([equation(7, a=1), equation(3, weight=5, a=1)], frozenset()) == {"a": 3}


def test_arguments_that_show_only_together_are_named() -> None:
    product = {"a": {"x": Fraction(4)}, "b": {"x": Fraction(6)}, "c": {"y": Fraction(1)}}
    assert dependent(product) == {"a", "b"}
    product["a"]["z"] = Fraction(1)
    assert dependent(product) == frozenset()
