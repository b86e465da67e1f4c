"""Which of scikit-learn's classifiers answer the class of the highest probability, so that their sums need not be done twice.

A rule holds for a method, not for a name: the classes that define `predict` and what it calls must be scikit-learn's own. Read in the
sources of scikit-learn 1.3 to 1.9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LabelRule = Callable[[Any, "NDArray[Any]"], "NDArray[Any] | None"]
"""From the fitted classifier and its probabilities, shape (rows, classes), to labels, shape (rows,); None: `predict` must be asked."""

# Where `predict` decides by scores from which the probabilities are computed, these keep the scores' order but for the last bits.
_APART: Final = 1e-6
_APART_SINGLE: Final = 1e-3


def rule_of(classifier: Any) -> LabelRule | None:
    """How labels follow from probabilities; None when they need not."""
    if "predict" in vars(classifier) or "predict_proba" in vars(classifier):
        return None
    for rule, applies, methods in _RULES:
        if all(_defined_in(classifier, method) == place for method, place in methods.items()):
            return rule if applies(classifier) else None
    return None


def _highest(classifier: Any, probabilities: NDArray[Any]) -> NDArray[Any]:
    """`predict` is written as this."""
    classes = classifier.classes_
    if classes.dtype.kind == "U":
        classes = classes.astype(object)  # then a text is made once for each class, not for each row
    labels: NDArray[Any] = classes.take(probabilities.argmax(axis=1), axis=0)
    return labels


def _clearly_highest(classifier: Any, probabilities: NDArray[Any]) -> NDArray[Any] | None:
    """`predict` decides in another way, which is the same unless two classes are as good as equal."""
    apart = _APART if probabilities.dtype.itemsize >= 8 else _APART_SINGLE
    if probabilities.shape[1] == 2:
        lower, higher = np.minimum(probabilities[:, 0], probabilities[:, 1]), np.maximum(probabilities[:, 0], probabilities[:, 1])
    elif probabilities.shape[1] > 2:
        lower, higher = np.partition(probabilities, (-2, -1), axis=1)[:, -2:].T
    else:
        return None
    clear = lower < higher * (1 - apart)  # never true of NaN
    return _highest(classifier, probabilities) if clear.all() else None


def _defined_in(classifier: Any, method: str) -> tuple[str, str] | None:
    """Module and name of the class that defines a method."""
    for base in type(classifier).__mro__:
        if method in vars(base):
            return base.__module__, base.__qualname__
    return None


def _always(classifier: Any) -> bool:
    del classifier
    return True


def _one_output(classifier: Any) -> bool:
    return getattr(classifier, "n_outputs_", 0) == 1


def _one_label(network: Any) -> bool:
    """Not several labels per row, each with a probability of its own."""
    return getattr(network._label_binarizer, "y_type_", "") in {"binary", "multiclass"}  # noqa: SLF001 - it has no public name


def _plain_neighbours(classifier: Any) -> bool:
    return not getattr(classifier, "outputs_2d_", True) and isinstance(classifier.weights, str | None)


_FOREST: Final = ("sklearn.ensemble._forest", "ForestClassifier")
_TREE: Final = "sklearn.tree._classes"
_LINEAR: Final = ("sklearn.linear_model._base", "LinearClassifierMixin")
_BOOSTING: Final = ("sklearn.ensemble._gb", "GradientBoostingClassifier")
_HISTOGRAMS: Final = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting"
_NETWORK: Final = ("sklearn.neural_network._multilayer_perceptron", "MLPClassifier")
_NEIGHBOURS: Final = ("sklearn.neighbors._classification", "KNeighborsClassifier")

_RULES: Final[tuple[tuple[LabelRule, Callable[[Any], bool], dict[str, tuple[str, str]]], ...]] = (
    (_highest, _one_output, {"predict": _FOREST, "predict_proba": _FOREST}),
    (
        _clearly_highest,
        _one_output,
        {"predict": (_TREE, "BaseDecisionTree"), "predict_proba": (_TREE, "DecisionTreeClassifier")},
    ),
    (
        _clearly_highest,
        _always,
        {
            "predict": _LINEAR,
            "decision_function": _LINEAR,
            "predict_proba": ("sklearn.linear_model._logistic", "LogisticRegression"),
            "_predict_proba_lr": _LINEAR,
        },
    ),
    (_clearly_highest, _always, {"predict": _BOOSTING, "predict_proba": _BOOSTING, "decision_function": _BOOSTING}),
    (
        _clearly_highest,
        _always,
        {
            "predict": (_HISTOGRAMS, "HistGradientBoostingClassifier"),
            "predict_proba": (_HISTOGRAMS, "HistGradientBoostingClassifier"),
            "_raw_predict": (_HISTOGRAMS, "BaseHistGradientBoosting"),
        },
    ),
    (
        _clearly_highest,
        _one_label,
        {
            "predict": _NETWORK,
            "predict_proba": _NETWORK,
            "_predict": _NETWORK,
            "_forward_pass_fast": (_NETWORK[0], "BaseMultilayerPerceptron"),
        },
    ),
    (
        _clearly_highest,
        _plain_neighbours,
        {"predict": _NEIGHBOURS, "predict_proba": _NEIGHBOURS, "kneighbors": ("sklearn.neighbors._base", "KNeighborsMixin")},
    ),
)
