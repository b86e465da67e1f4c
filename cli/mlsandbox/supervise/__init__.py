"""A small process-compose: starts, watches, restarts and ends processes; knows nothing of models.

`python -m mlsandbox.supervise DIR` is the supervisor of one project; `guard` ties a child's life to its parent's;
`sweep` ends what a supervisor that was killed may have left behind.
"""
