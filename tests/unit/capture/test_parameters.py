"""What is kept of a model's parameters."""

from __future__ import annotations

from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.preprocessing import OrdinalEncoder

from mlsandbox_serving.capture.parameters import parameters_of


def test_the_same_twice() -> None:
    """A model that is made again in the same way must have the same parameters, whatever address its parts lie at."""
    made = [make_column_transformer((OrdinalEncoder(), make_column_selector(dtype_include="category"))) for _ in range(2)]

    assert parameters_of(made[0]) == parameters_of(made[1])
