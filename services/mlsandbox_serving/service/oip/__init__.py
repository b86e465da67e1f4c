"""The Open Inference Protocol, version 2 over HTTP, for clients of KServe, Seldon, MLServer and Triton.

`inference` answers what is known before the model is loaded, and imports no numpy; `infer` decodes requests, and is imported with the
model. Sources: https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md), and
https://github.com/triton-inference-server/server (docs/protocol/extension_binary_data.md) for tensors in binary form.
"""

from mlsandbox_serving.service.oip.inference import (
    Found,
    Inference,
    error_body,
    header_length,
    is_protocol,
    refuse_other_content,
)

__all__ = ["Found", "Inference", "error_body", "header_length", "is_protocol", "refuse_other_content"]
