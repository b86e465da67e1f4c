"""A stack as Kubernetes manifests (pure): from the StackSpec to bundles, and from bundles to a Kustomize tree or to one plain list.

`export.py` puts it together, `components.py` lists what is optional, `kustomize.py` and `plain.py` write it. Read `bundle.py` first, which
says what a bundle is, then `model.py`, the base of every export.
"""
