"""What a pickle may do with the names that it may import: which of them it calls, and what it sets as attributes.

A list of harmless names is not enough. `numpy.ndarray` called on bytes makes objects of them; an attribute `stack_method_` of
scikit-learn's stacking is a method's name, called on whatever `estimators_` holds: "tofile" of an array writes any file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mlsandbox.packaging.pickle_values import Global, Instance, Mapping, Pair, Sequence

ATTRIBUTE_COMPUTED: Final = "(an attribute whose name is computed while loading)"
ARRAY_CLASS: Final = "(an array class that is used for more than rebuilding an array)"

ARRAY_CLASSES: Final = frozenset(
    {
        ("numpy", "matrix"),
        ("numpy", "ndarray"),
        ("numpy", "recarray"),
        ("numpy.ma", "MaskedArray"),
        ("numpy.ma.core", "MaskedArray"),
        ("numpy.rec", "recarray"),
    }
)
"""Called with a buffer, they take its bytes for what a dtype says, objects too."""
REBUILDS: Final = frozenset(
    {
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.ma.core", "_mareconstruct"),
    }
)
"""The functions that array classes are handed to; the other place is joblib's wrapper."""

_CALLED_MODULES: Final = frozenset(
    {
        "_codecs",
        "_loss",
        "copyreg",
        "datetime",
        "decimal",
        "fractions",
        "numpy._core._internal",
        "numpy._core.multiarray",
        "numpy._core.numeric",
        "numpy.core.multiarray",
        "numpy.core.numeric",
        "numpy.ma.core",
        "numpy.random._pickle",
        "numpy.random.bit_generator",
        "pyarrow.lib",
        "pytz",
        "sklearn._loss._loss",
        "sklearn.linear_model._sgd_fast",
        "uuid",
    }
)
_CALLED: Final = frozenset(
    {
        ("builtins", "bytearray"),
        ("builtins", "bytes"),
        ("builtins", "complex"),
        ("builtins", "frozenset"),
        ("builtins", "range"),
        ("builtins", "set"),
        ("builtins", "slice"),
        ("collections", "Counter"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("functools", "partial"),
        ("numpy", "dtype"),
        ("operator", "itemgetter"),
        ("sklearn.impute._iterative", "_ImputerTriplet"),
        ("sklearn.metrics._dist_metrics", "newObj"),
        ("sklearn.neighbors._ball_tree", "newObj"),
        ("sklearn.neighbors._kd_tree", "newObj"),
        ("sklearn.tree._tree", "Tree"),
    }
)
_METHOD_ATTRIBUTES: Final = frozenset({"chain_method", "chain_method_", "response_method", "stack_method", "stack_method_"})
_METHODS: Final = frozenset({"auto", "decision_function", "predict", "predict_log_proba", "predict_proba", "score_samples", "transform"})
_SCALARS: Final = frozenset({("numpy._core.multiarray", "scalar"), ("numpy.core.multiarray", "scalar")})
_BASES: Final = frozenset(
    {"object", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"},
)


def may_be_called(pair: Pair) -> bool:
    """Whether real pickles call this listed name with arguments; every other one they only refer to, or call without any."""
    module, name = pair
    package = module.split(".")[0]
    return pair in _CALLED or module in _CALLED_MODULES or package == "pandas" or name.startswith("__pyx_unpickle_")


def called_wrongly(pair: Pair, args: object) -> bool:
    """Whether a function that calls what it is handed is handed more than a class without arguments of its own."""
    if pair == ("copyreg", "_reconstructor"):
        match args:
            case (Global(), Global(pair=("builtins", base)), _):
                return base not in _BASES
        return True
    if pair[0] == "numpy.random._pickle":
        return not isinstance(args, tuple) or not all(_random(each) for each in args)
    return False


def attribute_fault(name: str, value: object) -> str | None:
    """Why setting this attribute (or key) is suspicious, as far as it can be told now; None when it is not."""
    if name.startswith("__") and name.endswith("__") and not _is_word_count(value):
        return f"(the special attribute {name} is set)"
    return None


def method_faults(attributes: Iterable[tuple[str, object]]) -> list[str]:
    """What is wrong with attributes that hold names of methods, told once lists have got all that comes into them."""
    return [f"({name} names a method that is no prediction)" for name, value in attributes if not _names_predictions(value)]


def is_method_attribute(name: str) -> bool:
    """Whether the attribute holds names of methods that predicting calls."""
    return name in _METHOD_ATTRIBUTES


def names_are_known(state: object) -> bool:
    """Whether a state's attribute names were all seen: those of a dict that opcodes made of literal texts."""
    match state:
        case Mapping():
            return not state.other_keys
        case Instance(made_by=("copyreg", _), args=(_, Global(pair=base), _)):
            return base != ("builtins", "dict")
        case Instance(made_by=(module, _)):
            return module not in {"collections", "sklearn.utils._bunch", "types"}
        case tuple():
            return len(state) != 2 or all(names_are_known(each) for each in state)
    return True


def _random(value: object) -> bool:
    match value:
        case None | str():
            return True
        case Global(pair=(module, _)) | Instance(made_by=(module, _)):
            return module.startswith("numpy.random.")
    return False


def _is_word_count(value: object) -> bool:
    """A vocabulary may hold any word, with its number."""
    return value is None or isinstance(value, int | str) or (isinstance(value, Instance) and value.made_by in _SCALARS)


def _names_predictions(value: object) -> bool:
    if isinstance(value, Sequence):
        return value.whole and all(_names_predictions(each) for each in value.items)
    if isinstance(value, tuple):
        return all(_names_predictions(each) for each in value)
    return value is None or (isinstance(value, str) and value in _METHODS)
