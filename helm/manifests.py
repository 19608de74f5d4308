"""Whether manifests are what Kubernetes takes: schemas of each version, strictly, the shape of the
Prometheus operator's objects, and the restricted Pod Security Standard. Renders nothing."""

import copy
import functools

import jsonschema
import kubernetes_validate
from kubernetes_validate import utils

VERSIONS = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34")

# The schemas of one version are megabytes, which the library would read again for each object.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)


def exactly(required, optional=None):
    """The schema of an object with these properties and no others."""
    properties = {**required, **(optional or {})}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION = {"type": "string", "pattern": r"^([0-9]+(ms|s|m|h|d|w|y))+$"}
METADATA = exactly({"name": TEXT, "labels": TEXTS}, {"namespace": TEXT, "annotations": TEXTS})
SELECTOR = exactly({"matchLabels": TEXTS})
RULE = exactly(
    {"alert": TEXT, "expr": TEXT, "for": DURATION, "labels": TEXTS, "annotations": TEXTS}
)


def object_of(spec):
    """The schema of an object of the Prometheus operator."""
    return exactly(
        {"apiVersion": TEXT, "kind": TEXT, "metadata": METADATA, "spec": spec},
    )


# The library has no schemas of custom resources. These hold the part of them that the chart uses,
# as in the operator's API reference (monitoring.coreos.com/v1), and nothing else.
CUSTOM = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): object_of(
        exactly(
            {
                "selector": SELECTOR,
                "namespaceSelector": exactly({"matchNames": {"type": "array", "items": TEXT}}),
                "endpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": exactly(
                        {
                            "port": TEXT,
                            "path": TEXT,
                            "interval": DURATION,
                            "scrapeTimeout": DURATION,
                        }
                    ),
                },
            }
        )
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): object_of(
        exactly(
            {
                "groups": {
                    "type": "array",
                    "minItems": 1,
                    "items": exactly(
                        {"name": TEXT, "rules": {"type": "array", "minItems": 1, "items": RULE}}
                    ),
                }
            }
        )
    ),
}


def named(manifest):
    """Kind and name, for messages."""
    return f"{manifest.get('kind')}/{manifest.get('metadata', {}).get('name')}"


def validate(manifest, version):
    """What is wrong with the manifest in that version of Kubernetes, or None. An object without a
    schema is wrong too: nothing would be checked about it."""
    schema = CUSTOM.get((manifest.get("apiVersion"), manifest.get("kind")))
    try:
        if schema:
            jsonschema.Draft202012Validator(schema).validate(manifest)
        else:
            used = kubernetes_validate.validate(manifest, version, strict=True)
            if used != version:
                return f"{named(manifest)}: no schemas for {version}, {used} would be used"
    except jsonschema.ValidationError as error:
        path = ".".join(str(part) for part in error.absolute_path)
        return f"{named(manifest)} ({version}): {path}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return f"{named(manifest)} ({version}): {error.message}"
    return None


def pod_of(manifest):
    """The specification of the pods that the object makes, or None."""
    if manifest["kind"] == "Pod":
        return manifest["spec"]
    return manifest.get("spec", {}).get("template", {}).get("spec")


def unrestricted(manifest):
    """What the restricted Pod Security Standard would refuse in the object's pods
    (https://kubernetes.io/docs/concepts/security/pod-security-standards/), and what we hold beyond
    it: a read-only root and no token of the service account."""
    pod = pod_of(manifest)
    if pod is None:
        return []
    security = pod.get("securityContext", {})
    found = []

    def must(holds, what):
        if not holds:
            found.append(f"{named(manifest)}: {what}")

    for key in ("hostNetwork", "hostPID", "hostIPC"):
        must(not pod.get(key), f"{key} is set")
    must(security.get("runAsNonRoot") is True, "runAsNonRoot is not true")
    must(security.get("runAsUser", 1) != 0, "runAsUser is 0")
    must(
        security.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
        "no seccompProfile",
    )
    must(pod.get("automountServiceAccountToken") is False, "mounts a service account's token")
    must(pod.get("enableServiceLinks") is False, "has LAZARETTO_ variables of Services")
    kinds = {"name", "configMap", "secret", "emptyDir", "projected", "persistentVolumeClaim"}
    for volume in pod.get("volumes", []):
        must(set(volume) <= kinds, f"volume {volume['name']} is of a kind that is not allowed")
    for container in pod.get("initContainers", []) + pod["containers"]:
        own = container.get("securityContext", {})
        name = container["name"]
        must(own.get("allowPrivilegeEscalation") is False, f"{name}: privilege escalation")
        must(own.get("capabilities") == {"drop": ["ALL"]}, f"{name}: capabilities")
        must(own.get("readOnlyRootFilesystem") is True, f"{name}: root is not read-only")
        must(not own.get("privileged"), f"{name}: privileged")
        must(own.get("runAsUser", 1) != 0, f"{name}: runAsUser is 0")
        must(not any(port.get("hostPort") for port in container.get("ports", [])), f"{name}: hostPort")
        must(container.get("resources", {}).get("limits", {}).get("memory"), f"{name}: no memory limit")
    return found


def misspelt(manifest):
    """Copies of the manifest with one field more, at each level where Kubernetes knows all fields:
    each must be refused, or the check finds nothing."""
    free = {"labels", "annotations", "data", "matchLabels", "nodeSelector", "limits", "requests"}

    def walk(value, path):
        if isinstance(value, dict):
            labels = path[-1:] == ["selector"] and manifest["kind"] == "Service"
            if not labels and not free.intersection(path[-1:]):
                yield path
                for key, inner in value.items():
                    yield from walk(inner, path + [key])
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                yield from walk(inner, path + [index])

    for path in walk(manifest, []):
        changed = copy.deepcopy(manifest)
        at = functools.reduce(lambda value, key: value[key], path, changed)
        at["misspelt"] = "x"
        yield ".".join(map(str, path)) or "(top)", changed
