"""Run in the environment that requirements/manifests.txt pins: what the Kubernetes schemas object to.

Standard input: {"documents": [manifest, …], "oldest": "1.29"}. Standard output: {"versions": ["1.29", …], "checked": number,
"faults": ["1.29 Deployment/churn: …", …]}; kinds that are no part of Kubernetes itself are not among the schemas, and are left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import kubernetes_validate

SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
OUTSIDE = ("monitoring.coreos.com", "keda.sh", "gateway.networking.k8s.io", "external-secrets.io", "bitnami.com", "kustomize.config.k8s.io")


def main() -> None:
    given = json.load(sys.stdin)
    oldest = tuple(map(int, given["oldest"].split(".")))
    found = {tuple(map(int, folder.name[1:].split("-")[0].split(".")[:2])) for folder in SCHEMAS.glob("v*-local-strict")}
    versions = [".".join(map(str, version)) for version in sorted(found) if version >= oldest]
    known = [each for each in given["documents"] if each["apiVersion"].partition("/")[0] not in OUTSIDE]
    faults = []
    for version in versions:
        for each in known:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                where = "/".join(map(str, getattr(error, "path", [])))
                faults.append(f"{version} {each['kind']}/{each['metadata']['name']} {where}: {str(error).splitlines()[0]}")
    json.dump({"versions": versions, "checked": len(known), "faults": faults}, sys.stdout)


if __name__ == "__main__":
    main()
