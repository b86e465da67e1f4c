"""Addresses that a browser can show."""

from __future__ import annotations

import webbrowser
from enum import StrEnum

from mlsandbox_serving.contract import Route


class Place(StrEnum):
    """What can be opened."""

    API = "api"
    DOCS = "docs"


def address(endpoint: str, place: Place) -> str:
    """The URL of a place of a model service."""
    return endpoint if place is Place.API else f"{endpoint}{Route.OPENAPI}"


def show(url: str) -> bool:
    """Have the browser show it; False when there is none."""
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
