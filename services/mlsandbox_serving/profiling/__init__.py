"""Make the reference profile of a model: what its reference rows, and its answers to them, look like as events.

`python -m mlsandbox_serving.profiling` runs in the model's own environment. Rows take the way of a request: read as `/predict` takes
them, checked by the schema, predicted in batches, and kept as the JSON values that an event would hold, so that a profile and live rows
can be compared value by value. Read `rows` (reference rows of a file), `answers` (the model's answers), `logged` (both, of events that
were written) and `__main__` (the program).
"""
