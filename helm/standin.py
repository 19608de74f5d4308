"""A stand-in for the API of a cluster that knows the Secrets of one namespace, so that `lookup` in
templates finds something. Reads are all that it answers."""

import base64
import contextlib
import http.server
import json
import threading
from pathlib import Path

VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
# The kinds that the chart makes, which Helm looks up before it asks for each object.
KINDS = {
    "v1": {"Secret": "secrets", "ConfigMap": "configmaps", "Service": "services", "Pod": "pods",
           "ServiceAccount": "serviceaccounts"},
    "apps/v1": {"StatefulSet": "statefulsets"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies"},
}


def discovery():
    """What the API says of itself, by path."""
    groups = [
        {"name": version.split("/")[0], "versions": [{"groupVersion": version, "version": "v1"}]}
        for version in KINDS if "/" in version
    ]
    answers = {
        "/version": VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
    }
    for version, kinds in KINDS.items():
        resources = [
            {"name": name, "namespaced": True, "kind": kind, "verbs": ["get"]}
            for kind, name in kinds.items()
        ]
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        answers[path] = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
    return answers


MISSING = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


@contextlib.contextmanager
def cluster(secrets, namespace, folder):
    """A kubeconfig for a stand-in that has these Secrets (name to data, encoded), of a release."""
    known = discovery()
    owner = {"meta.helm.sh/release-name": "lazaretto", "meta.helm.sh/release-namespace": namespace}

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers reads."""

        def do_GET(self):
            path = self.path.split("?")[0].rstrip("/")
            answer = known.get(path)
            name = path.removeprefix(f"/api/v1/namespaces/{namespace}/secrets/")
            if name in secrets:
                answer = {
                    "apiVersion": "v1", "kind": "Secret", "data": secrets[name],
                    "metadata": {
                        "name": name, "namespace": namespace, "annotations": owner,
                        "labels": {"app.kubernetes.io/managed-by": "Helm"},
                    },
                }
            body = json.dumps(answer or MISSING).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {}}],
    }
    path = Path(folder, "kubeconfig")
    path.write_text(json.dumps(config))
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()


def encoded(data):
    """As a Secret holds it."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
