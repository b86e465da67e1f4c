"""FastAPI written by hand: a pydantic model, a plain `def` endpoint as its documentation advises for libraries that block.

With BENCH_ENDPOINT=async the endpoint is an `async def`, which saves the way through the thread pool and blocks the event loop meanwhile.
"""

import os
from typing import Any

import joblib
import numpy as np
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["BENCH_MODEL"])


class Numbers(BaseModel):
    rows: list[list[float]]


class Person(BaseModel):
    AGEP: float
    SCHL: str
    MAR: str
    RELP: str
    DIS: str
    ESP: str
    CIT: str
    MIG: str
    MIL: str
    ANC: str
    NATIVITY: str
    DEAR: str
    DEYE: str
    DREM: str
    SEX: str
    RAC1P: str


class People(BaseModel):
    rows: list[Person]


class Answer(BaseModel):
    predictions: list[int]


def of_numbers(body: Numbers) -> Answer:
    return Answer(predictions=model.predict(np.asarray(body.rows)).tolist())


def of_people(body: People) -> Answer:
    return Answer(predictions=model.predict(pd.DataFrame([person.model_dump() for person in body.rows])).tolist())


async def of_numbers_inline(body: Numbers) -> Answer:
    return of_numbers(body)


async def of_people_inline(body: People) -> Answer:
    return of_people(body)


endpoints: dict[tuple[str, str], Any] = {
    ("array", "def"): of_numbers,
    ("array", "async"): of_numbers_inline,
    ("frame", "def"): of_people,
    ("frame", "async"): of_people_inline,
}
app.post("/predict")(endpoints[os.environ["BENCH_INPUT"], os.environ.get("BENCH_ENDPOINT", "def")])
