"""What Triton's client sees of a service: run in the environment of the clients, which has none of our code.

Standard input: {"url": "127.0.0.1:7310", "model", "version", "inputs": {name: {"datatype", "shape", "data"}}, "outputs": names}; standard
output: what was seen, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tritonclient.http as client
import tritonclient.http.aio as asynchronous
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

Json = dict[str, Any]
OUTPUTS = ("predict", "predict_proba")


def inputs_of(asked: Json, *, binary: bool) -> list[Any]:
    """The tensors of a request."""
    made = []
    for name, one in asked["inputs"].items():
        array = np.array(one["data"], dtype=triton_to_np_dtype(one["datatype"])).reshape(one["shape"])
        tensor = client.InferInput(name, list(array.shape), one["datatype"])
        tensor.set_data_from_numpy(array, binary_data=binary)
        made.append(tensor)
    return made


def arrays(result: Any) -> Json:
    """The outputs of an answer, and their shapes."""
    found = {name: result.as_numpy(name) for name in OUTPUTS}
    values = {name: None if array is None else [_plain(value) for value in array.ravel()] for name, array in found.items()}
    return {"values": values, "shapes": {name: list(array.shape) for name, array in found.items() if array is not None}}


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value.item() if isinstance(value, np.generic) else value


def failure(call: Callable[[], Any]) -> Json | None:
    """What a call raises."""
    try:
        call()
    except InferenceServerException as error:
        return {"status": error.status(), "message": error.message()}
    return None


def answered(call: Callable[[], Any]) -> Json:
    """What a request gets: the outputs, or what is raised."""
    kept: list[Any] = []
    return failure(lambda: kept.append(call())) or arrays(kept[0])


async def asked_asynchronously(asked: Json) -> Json:
    """The same with the client that is built on aiohttp."""
    async with asynchronous.InferenceServerClient(asked["url"]) as server:
        return arrays(await server.infer(asked["model"], inputs_of(asked, binary=True)))


def main() -> None:
    """Ask everything once."""
    asked = json.load(sys.stdin)
    model, version = asked["model"], asked["version"]
    server = client.InferenceServerClient(asked["url"])
    binary, plain = inputs_of(asked, binary=True), inputs_of(asked, binary=False)
    as_json = [client.InferRequestedOutput(name, binary_data=False) for name in asked["outputs"]]
    mixed = [client.InferRequestedOutput(name, binary_data=name == "predict") for name in asked["outputs"]]
    wrong = client.InferInput("nothing", [1], "FP64").set_data_from_numpy(np.zeros(1))
    seen = {
        "live": server.is_server_live(),
        "ready": server.is_server_ready(),
        "model ready": server.is_model_ready(model) and server.is_model_ready(model, version),
        "other ready": server.is_model_ready("other") or server.is_model_ready(model, "v9"),
        "server": server.get_server_metadata(),
        "metadata": server.get_model_metadata(model),
        "id": server.infer(model, binary, request_id="42").get_response()["id"],
        "answers": {
            "bytes": answered(lambda: server.infer(model, binary)),
            "JSON": answered(lambda: server.infer(model, plain, outputs=as_json)),
            "JSON in, bytes out": answered(lambda: server.infer(model, plain, model_version=version)),
            "bytes in, JSON out": answered(lambda: server.infer(model, binary, outputs=as_json)),
            "bytes in, both out": answered(lambda: server.infer(model, binary, outputs=mixed)),
            "asynchronous": asyncio.run(asked_asynchronously(asked)),
        },
        "failures": {
            "other model": answered(lambda: server.infer("other", binary)),
            "other column": answered(lambda: server.infer(model, [*binary, wrong])),
            "other output": answered(lambda: server.infer(model, binary, outputs=[client.InferRequestedOutput("other")])),
            "compressed": answered(lambda: server.infer(model, binary, request_compression_algorithm="gzip")),
            "other version": failure(lambda: server.get_model_metadata(model, "v9")),
            "other route": failure(lambda: server.get_model_config(model)),
        },
    }
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
