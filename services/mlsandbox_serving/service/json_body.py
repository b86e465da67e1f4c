"""A request's body as JSON, or what is wrong with it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.service.refusal import RequestRefused


def parse(body: bytes, forms: str) -> Any:
    """The JSON of a body.

    Args:
        body: as it was sent.
        forms: what it must be, as a phrase.

    Raises:
        RequestRefused: 400, it is none.
    """
    if not body.strip():
        raise RequestRefused(400, ErrorCode.UNREADABLE_BODY, f"the body is empty; it must be JSON: {forms}")
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError as error:
        raise RequestRefused(400, ErrorCode.UNREADABLE_BODY, f"the body is not UTF-8 (byte {error.start})") from None
    except (msgspec.DecodeError, ValueError) as error:
        hint = "; JSON has no NaN or Infinity: send null where the model knows missing values" if _has_nan(body) else ""
        raise RequestRefused(400, ErrorCode.UNREADABLE_BODY, f"the body cannot be read as JSON: {error}{hint}") from None
    except RecursionError:
        raise RequestRefused(400, ErrorCode.UNREADABLE_BODY, "the body cannot be read as JSON: it is nested too deeply") from None


def _has_nan(body: bytes) -> bool:
    return re.search(rb"[\[:,]\s*(NaN|-?Infinity|nan|-?inf)\b", body) is not None
