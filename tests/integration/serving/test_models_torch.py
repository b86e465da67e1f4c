"""TorchScript models; needs the torch group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlsandbox_serving.contract import ModelKind
from mlsandbox_serving.models import ModelSpec, ModelUnsupported, load, wrap

torch: Any = pytest.importorskip("torch", reason="the torch group is not installed")
pytestmark = [
    pytest.mark.torch,
    # PyTorch announces the end of torch.jit with each of its calls; what was saved with it is still to be served.
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

X = pd.DataFrame(np.random.default_rng(3).normal(size=(50, 4)), columns=["a", "b", "c", "d"])


def network(outputs: int) -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, outputs))


def answers(module: Any) -> Any:
    with torch.no_grad():
        return module(torch.from_numpy(X.to_numpy(np.float32))).numpy()


@pytest.mark.parametrize("how", ["script", "trace"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_torchscript_files(tmp_path: Path, how: str, outputs: int) -> None:
    """A scripted or traced module answers, once it is loaded, what the module answered."""
    module = network(outputs)
    scripted = torch.jit.script(module) if how == "script" else torch.jit.trace(module, torch.zeros(2, 4))
    scripted.save(str(tmp_path / "model.pt"))
    predictor, kind, class_name = wrap(scripted)

    served = load(kind, tmp_path, spec=ModelSpec(kind, "model.pt", class_name)).predict(X)

    assert kind is ModelKind.TORCHSCRIPT
    expected = answers(module).reshape(-1) if outputs == 1 else answers(module)
    np.testing.assert_allclose(served.labels, expected, rtol=1e-5, atol=1e-6)  # compiled code rounds single precision its own way
    np.testing.assert_allclose(served.labels, predictor.predict(X).labels, rtol=1e-5, atol=1e-6)


def test_torchscript_with_classes(tmp_path: Path) -> None:
    """With classes given the label is the class of the highest output."""
    module = network(3)
    torch.jit.script(module).save(str(tmp_path / "model.pt"))
    spec = ModelSpec(ModelKind.TORCHSCRIPT, "model.pt", classes=("low", "middle", "high"))

    labels = load(ModelKind.TORCHSCRIPT, tmp_path, spec=spec).predict(X).labels

    assert labels.tolist() == [("low", "middle", "high")[index] for index in answers(module).argmax(axis=1)]


def test_a_plain_module_is_told_to_be_scripted() -> None:
    """A module that was not scripted is refused with the call that scripts it."""
    with pytest.raises(ModelUnsupported, match=r"torch\.jit\.script"):
        wrap(network(1))
