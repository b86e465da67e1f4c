"""Stands in for the API server of a cluster, with as much of a cluster behind it as a proof sees.

Strict where the real one is: kinds and fields by Kubernetes' own schemas, names and namespaces, service accounts of pods, Pod Security.
Left out: who may do what, TLS, watches, other owners of fields, defaults, quotas, schemas of what is no part of Kubernetes itself
(a CRD's object is taken as it is), and everything that runs: workloads become ready after some looks at them, or as the settings say,
and a Service's proxy leads to an address of this machine.
"""
