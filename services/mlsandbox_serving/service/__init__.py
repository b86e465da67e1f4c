"""The model service: an ASGI application inside BentoML's server, outside of BentoML's own routes and middlewares.

`bento_entry` becomes `service.py` of a package. `app` answers HTTP, `runtime` holds the model and its state; what needs numpy or
pandas (`predicting`) is imported in the thread that loads the model, so that /livez answers while that happens.
"""
