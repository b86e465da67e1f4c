"""Requests written, and answers read, by MLServer's codecs: run in the environment of the clients, which has none of our code.

Standard input: {"url": "http://127.0.0.1:7310", "model"} with "columns": {name: values} or "matrix": rows; standard output: what was
seen, as JSON.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

import numpy as np
import pandas as pd
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec
from mlserver.types import InferenceErrorResponse, InferenceRequest, InferenceResponse, MetadataModelResponse, RequestOutput

Json = dict[str, Any]


def sent(url: str, content: str | None = None) -> tuple[int, bytes]:
    """Status and body."""
    request = urllib.request.Request(url, None if content is None else content.encode(), {"content-type": "application/json"})  # noqa: S310 - our own service
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def inferred(model: str, request: InferenceRequest) -> InferenceResponse:
    """The answer to a request, as MLServer's types have it."""
    status, content = sent(f"{model}/infer", request.model_dump_json())
    if status != 200:
        raise SystemExit(f"{status}: {content.decode()}")
    return InferenceResponse.model_validate_json(content)


def outputs_of(response: InferenceResponse) -> Json:
    """The outputs of an answer: labels as the pandas codec has them, probabilities as numpy's."""
    found: Json = {}
    for output in response.outputs:
        if output.name == "predict":
            frame = PandasCodec.decode_response(InferenceResponse(model_name=response.model_name, outputs=[output]))
            found["predict"] = frame["predict"].tolist()
        else:
            found[output.name] = NumpyCodec.decode_output(output).tolist()
    return found


def main() -> None:
    """Ask everything once."""
    asked = json.load(sys.stdin)
    model = f"{asked['url']}/v2/models/{asked['model']}"
    if "matrix" in asked:
        request = NumpyRequestCodec.encode_request(np.array(asked["matrix"]))
    else:
        request = PandasCodec.encode_request(pd.DataFrame(asked["columns"]), use_bytes=False)
    seen: Json = {
        "metadata": json.loads(MetadataModelResponse.model_validate_json(sent(model)[1]).model_dump_json()),
        "outputs": outputs_of(inferred(model, request)),
    }
    chosen = request.model_copy(update={"id": "42", "outputs": [RequestOutput(name="predict")]})
    response = inferred(model, chosen)
    seen["chosen"] = {"id": response.id, "version": response.model_version, **outputs_of(response)}
    status, content = sent(f"{model}/infer", request.model_copy(update={"inputs": request.inputs[1:]}).model_dump_json())
    seen["failure"] = {"status": status, "message": InferenceErrorResponse.model_validate_json(content).error}
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
