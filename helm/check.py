#!/usr/bin/env python3
"""Every check of the chart, of the plain manifests in deploy/ and of the alerts: run alone, or by
.ci/run. `--update` writes anew what is generated (snapshots, the table of values, deploy/) and
checks the rest.

Needs tests/requirements.txt, openssl, and in the environment or on the path: helm (LAZARETTO_TEST_HELM,
several with ':' between, the newest first), kubectl (LAZARETTO_TEST_KUBECTL), promtool
(LAZARETTO_TEST_PROMTOOL). Asks no cluster and no network."""

import base64
import copy
import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml

import manifests
import standin

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CHART = HERE / "lazaretto"
SNAPSHOTS = HERE / "tests/snapshots"
DEPLOY = ROOT / "deploy"
MADE = "made at install"

failures = []
update = "--update" in sys.argv[1:]


def fail(message):
    """Notes a failure; the run goes on, to tell all of them."""
    failures.append(message)
    print(f"FAILED: {message}", file=sys.stderr)


def program(variable, name):
    """The programs that a variable names, else the one on the path."""
    given = os.environ.get(variable) or shutil.which(name)
    if not given:
        sys.exit(f"{name} is neither on the path nor named by {variable}: CONTRIBUTING.md says how")
    return given.split(":")


HELMS = program("LAZARETTO_TEST_HELM", "helm")
KUBECTL = program("LAZARETTO_TEST_KUBECTL", "kubectl")[0]
PROMTOOL = program("LAZARETTO_TEST_PROMTOOL", "promtool")[0]


def run(*command, stdin=""):
    """Standard output of the command; an exception with what it said where it fails."""
    done = subprocess.run([str(part) for part in command], input=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        raise subprocess.CalledProcessError(
            done.returncode, command[0], done.stdout, done.stdout + done.stderr
        )
    return done.stdout


def values_files():
    """The name of each set of values, and the arguments that name it to Helm."""
    yield "default", []
    for path in sorted((CHART / "ci").glob("*-values.yaml")):
        yield path.name.removesuffix("-values.yaml"), ["--values", path]


def template(helm, *arguments):
    """What the chart renders to, as text."""
    return run(helm, "template", "lazaretto", CHART, "--namespace", "lazaretto", *arguments)


class Loader(yaml.SafeLoader):
    """YAML in which a key stands once, which the library does not mind and Kubernetes does."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key in set(keys):
            if keys.count(key) > 1:
                fail(f"{key!r} stands twice{node.start_mark}")
        return super().construct_mapping(node, deep)


def documents(text):
    """The manifests of a text."""
    return [manifest for manifest in yaml.load_all(text, Loader) if manifest]


def settled(text):
    """The text with what is made at random at install replaced."""
    pattern = r"^(  (?:token|sha256|ca\.crt|tls\.crt|tls\.key): )[A-Za-z0-9+/=]+$"
    return re.sub(pattern, rf"\1<{MADE}>", text, flags=re.MULTILINE)


def compare(path, text):
    """Holds a generated file to what it should be, or writes it."""
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return
    found = path.read_text() if path.exists() else ""
    if found != text:
        sys.stderr.writelines(
            difflib.unified_diff(
                found.splitlines(True), text.splitlines(True), str(path), "as generated now"
            )
        )
        fail(f"{path.relative_to(ROOT)} is not current: helm/check.py --update")


def check_rendering():
    """Lint, snapshots, and whether what is rendered is what Kubernetes and the program take."""
    for name, arguments in values_files():
        texts = []
        for helm in HELMS:
            run(helm, "lint", "--strict", CHART, *arguments)
            texts.append(template(helm, *arguments))
        if len({settled(text) for text in texts}) > 1:
            fail(f"{name}: {HELMS} render differently")
        compare(SNAPSHOTS / f"{name}.yaml", settled(texts[0]))
        objects = documents(texts[0])
        check_manifests(name, objects)
        check_selection(name, objects)
        check_secrets(name, objects)
        check_configuration(name, objects, arguments)
    print(f"rendered with {len(HELMS)} versions of Helm")


def check_manifests(name, objects):
    """Each object against each version of Kubernetes, and its pods against the standard."""
    for manifest in objects:
        for version in manifests.VERSIONS:
            if problem := manifests.validate(manifest, version):
                fail(f"{name}: {problem}")
        for problem in manifests.unrestricted(manifest):
            fail(f"{name}: {problem}")


def check_selection(name, objects):
    """That what selects pods selects those of the StatefulSet, and not the test's."""
    pods = {
        each["kind"]: each.get("spec", {}).get("template", each)["metadata"]["labels"]
        for each in objects if each["kind"] in ("StatefulSet", "Pod")
    }
    for each in objects:
        spec = each.get("spec", {})
        selector = spec.get("selector") if each["kind"] == "Service" else None
        if each["kind"] in ("StatefulSet", "PodDisruptionBudget"):
            selector = spec["selector"]["matchLabels"]
        if each["kind"] == "NetworkPolicy":
            selector = spec["podSelector"]["matchLabels"]
        if selector is None:
            continue
        for kind, labels in pods.items():
            if (selector.items() <= labels.items()) != (kind == "StatefulSet"):
                fail(f"{name}: {manifests.named(each)}: selects the wrong pods")


def check_secrets(name, objects):
    """That a token and its hash, and a certificate, its key and its CA belong together."""
    secrets = {each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "Secret"}
    decoded = {
        secret: {key: base64.b64decode(value).decode() for key, value in data.items()}
        for secret, data in secrets.items()
    }
    for secret, data in decoded.items():
        if "token" in data:
            digest = hashlib.sha256(data["token"].encode()).hexdigest()
            if data["sha256"] != f"sha256:{digest}" or len(data["token"]) < 43:
                fail(f"{name}: {secret}: the hash is not the token's, or the token is short")
        if "tls.crt" not in data:
            continue
        with tempfile.TemporaryDirectory() as folder:
            paths = {key: Path(folder, key) for key in data}
            for key, path in paths.items():
                path.write_text(data[key])
            host = "lazaretto-1.lazaretto-headless.lazaretto.svc.cluster.local"
            run("openssl", "verify", "-CAfile", paths["ca.crt"], "-purpose", "sslserver",
                "-verify_hostname", host, paths["tls.crt"])
            public = run("openssl", "x509", "-in", paths["tls.crt"], "-noout", "-pubkey")
            if public != run("openssl", "pkey", "-in", paths["tls.key"], "-pubout"):
                fail(f"{name}: {secret}: the key is not the certificate's")


def check_configuration(name, objects, arguments):
    """That the TOML holds each value of `config` with its type, and the grace period fits."""
    config = next(each for each in objects if "lazaretto.toml" in each.get("data", {}))
    toml = tomllib.loads(config["data"]["lazaretto.toml"])
    given = yaml.safe_load((CHART / "values.yaml").read_text())["config"]
    if arguments:
        given = {**given, **yaml.safe_load(arguments[1].read_text()).get("config", {})}

    def same(want, have, path):
        if isinstance(want, dict):
            for key, value in want.items():
                same(value, (have or {}).get(key), f"{path}.{key}")
        elif want != have or (isinstance(want, int) and not isinstance(have, int)):
            fail(f"{name}: {path} is {have!r}, not {want!r}")

    same(given, toml, "config")
    pods = next(each for each in objects if each["kind"] == "StatefulSet")["spec"]["template"]
    drain = sum(int(toml["drain"][key].removesuffix("s")) for key in ("delay", "timeout"))
    if pods["spec"]["terminationGracePeriodSeconds"] <= drain:
        fail(f"{name}: the grace period is not longer than the drain")


def schema_paths(schema, path=()):
    """Each level of the values that is ours: where additionalProperties is false."""
    if schema.get("additionalProperties") is False:
        yield path
    for key, inner in schema.get("properties", {}).items():
        yield from schema_paths(inner, path + (key,))
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict):
        yield from schema_paths(inner, path + ("some-name",))


WRONG = (
    {"replicas": "three"},
    {"replicas": -1},
    {"config": {"data_dir": "/elsewhere"}},
    {"config": {"listen": "0.0.0.0:1"}},
    {"config": {"cache_mib": 1.5}},
    {"config": {"log_format": "yaml"}},
    {"config": {"lists": {"us-ofac-sdn": {"max_shrink": 2}}}},
    {"image": {"digest": "sha256:short"}},
    {"persistence": {"size": "lots"}},
    {"decisionLog": {"persistence": {"size": "lots"}}},
    {"decisionLog": {"persistence": {"storageClass": "-"}}},
    {"decisionLog": {"persistence": {"existingClaim": "Mine"}}},
    {"decisionLog": {"persistence": {"existingClaim": "mine"}}, "replicas": 2},
    {"config": {"decision_log": {"directory": "/elsewhere"}}},
    {"config": {"decision_log": {"durability": "sometimes"}}},
    {"config": {"decision_log": {"name": "a+b"}}},
    {"config": {"decision_log": {"retention_days": 0}}},
    {"tls": {"mode": "secret"}},
    {"tls": {"mode": "maybe"}},
    {"tls": {"mode": "none", "clientCertificates": {"enabled": True}}},
    {"tls": {"clientCertificates": {"required": True}}},
    {"identities": {"generated": {"enabled": False}}},
    {"identities": {"allowAnonymous": True}},
    {"identities": {"generated": {"roles": "screen,root"}}},
    {"policy": {"text": "x", "existingConfigMap": "y"}},
    {"policy": {"shadowText": "x"}},
    {"drain": {"delaySeconds": "5s"}},
    {"nameOverride": "Up per"},
    {"fullnameOverride": "1st"},
    {"image": {"repository": "x\n  y: z"}},
    {"podLabels": {"app.kubernetes.io/name": "other"}},
    {"commonLabels": {"helm.sh/chart": "other"}},
    {"podAnnotations": {"checksum/config": "x"}},
    {"persistence": {"storageClass": "-"}},
    {"podDisruptionBudget": {"maxUnavailable": 0}},
    {"tls": {"extraNames": ["a\nb"]}},
    {"config": {"allow_anonymous": True}},
    {"config": {"limits": {"call_timeout": "10"}}},
    {"config": {"limits": {"streams": 100_001}}},
    {"config": {"traces": {"endpoint": "https://collector:4317"}}},
    {"config": {"traces": {"endpoint": "http://collector"}}},
    {"config": {"identities": {"Payments": {"roles": "screen", "certificates": "cn:x"}}}},
    {"config": {"identities": {"payments": {"roles": "screen root", "certificates": "cn:x"}}}},
    {"config": {"identities": {"payments": {"roles": "screen", "tokens": "the-token-itself"}}}},
)


# What Kubernetes takes as a quantity (apimachinery, resource.Quantity), above zero.
SIZES = ("10Gi", "1.5Ti", "500M", "1e9", "1E9", "2e+9", "+5G", "1E", "100Ki", "1000k", ".5Ti", "5.Gi",
         "10737418240", "10000000000000m", 10737418240, 1e10, 1.5e9)
NO_SIZES = ("", "0", "0Gi", "0.0", "-1Gi", "10GB", "10gi", "10 Gi", "1ki", "K", "1K", "1e", "e9",
            "1.5.0Gi", ".", ".Gi", "1Gi\nx: y", 0, -1, True)


def check_sizes():
    """Each way to write the size of a volume, and what is none."""
    for helm in HELMS:
        for size in SIZES:
            both = {"persistence": {"size": size}, "decisionLog": {"persistence": {"size": size}}}
            values = json.dumps(both)
            objects = documents(run(helm, "template", "x", CHART, "--values", "-", stdin=values))
            pods = next(each for each in objects if each["kind"] == "StatefulSet")
            claims = pods["spec"]["volumeClaimTemplates"]
            if [claim["metadata"]["name"] for claim in claims] != ["data", "log"]:
                fail(f"claims are {claims}")
            for claim in claims:
                have = claim["spec"]["resources"]["requests"]["storage"]
                same = have == size if isinstance(size, str) else float(have) == size
                if not isinstance(have, str) or not same:
                    fail(f"size {size!r} becomes {have!r}")
        for size in NO_SIZES:
            values = json.dumps({"persistence": {"size": size}})
            try:
                run(helm, "template", "x", CHART, "--values", "-", stdin=values)
            except subprocess.CalledProcessError:
                continue
            fail(f"size {size!r} is not refused by {helm}")
    print(f"took {len(SIZES)} sizes, refused {len(NO_SIZES)}")


def check_ids():
    """That ids are in every pod, and in none where the platform assigns them."""
    ids = {"runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy"}
    for name, _ in values_files():
        for manifest in documents((SNAPSHOTS / f"{name}.yaml").read_text()):
            pod = manifests.pod_of(manifest)
            if pod is None:
                continue
            contexts = [pod["securityContext"]]
            contexts += [each["securityContext"] for each in pod["containers"]]
            have = ids & {key for context in contexts for key in context}
            if have != (set() if name == "openshift" else ids):
                fail(f"{name}: {manifests.named(manifest)}: {have}")


def check_refusals():
    """Misspelt values at every level, and wrong ones, which must not install."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    cases = [(values, "") for values in WRONG]
    for path in schema_paths(schema):
        values = {"misspelt": 1}
        for key in reversed(path):
            values = {key: values}
        cases.append((values, "misspelt"))
    for values, named in cases:
        for helm in HELMS:
            try:
                run(helm, "template", "x", CHART, "--values", "-", stdin=json.dumps(values))
            except subprocess.CalledProcessError as error:
                if "the-token-itself" in error.stderr:
                    fail(f"{values}: the message shows a token")
                if named in error.stderr:
                    continue
                fail(f"{values}: refused, but for another reason: {error.stderr}")
            else:
                fail(f"{values}: not refused by {helm}")
    missing = set(yaml.safe_load((CHART / "values.yaml").read_text())) ^ set(schema["properties"])
    if missing != {"global"}:
        fail(f"values.yaml and values.schema.json do not have the same keys: {missing}")
    print(f"refused {len(cases)} misspelt or wrong values")


def check_that_checks_can_fail():
    """Misspelt fields in manifests, which the schemas must refuse, and pods that are not
    restricted."""
    count = 0
    ha = documents((SNAPSHOTS / "ha.yaml").read_text())
    for manifest in ha:
        for path, changed in manifests.misspelt(manifest):
            count += 1
            version = manifests.VERSIONS[count % len(manifests.VERSIONS)]
            if not manifests.validate(changed, version):
                fail(f"{manifests.named(manifest)}: a misspelt field in {path} passes {version}")
    unknown = {"apiVersion": "v1", "kind": "Konfigmap", "metadata": {"name": "x"}}
    if not manifests.validate(unknown, manifests.VERSIONS[0]):
        fail("an unknown kind passes")
    pods = copy.deepcopy(next(each for each in ha if each["kind"] == "StatefulSet"))
    pods["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {}
    if len(manifests.unrestricted(pods)) != 3:
        fail("a container without a security context passes")
    print(f"refused {count} manifests with a misspelt field")


def check_notes():
    """What people read after an install."""
    def notes(*arguments):
        command = ("install", "lazaretto", CHART, "--namespace", "lazaretto", "--dry-run=client")
        return " ".join(run(HELMS[0], *command, *arguments).split("NOTES:")[1].split())

    for name, arguments in values_files():
        text = notes(*arguments)
        plain = "is NOT in the others" in text
        if plain != (name == "ha"):
            fail(f"{name}: NOTES.txt on more than one pod: {plain}")
        if "/lazaretto screen 0x" not in text:
            fail(f"{name}: NOTES.txt does not say how to ask")
        proof = {"tls": "LAZARETTO_CLIENT_KEY=", "open": "lazaretto screen --server http://"}
        if proof.get(name, "LAZARETTO_TOKEN=$(kubectl") not in text:
            fail(f"{name}: NOTES.txt does not say by what to be known")


def check_upgrade():
    """That an upgrade keeps the token, the certificate and its CA that an install has made."""
    token = {"token": "kept", "sha256": f"sha256:{hashlib.sha256(b'kept').hexdigest()}"}
    files = {key: f"kept {key}" for key in ("ca.crt", "tls.crt", "tls.key")}
    secrets = {"lazaretto-token": standin.encoded(token), "lazaretto-tls": standin.encoded(files)}
    with tempfile.TemporaryDirectory() as folder:
        with standin.cluster(secrets, "lazaretto", folder) as kubeconfig:
            for helm in HELMS:
                arguments = ("--dry-run=server", "--disable-openapi-validation", "--kubeconfig", kubeconfig)
                text = template(helm, *arguments, "--show-only", "templates/secrets.yaml")
                found = {each["metadata"]["name"]: each["data"] for each in documents(text)}
                if found != secrets:
                    fail(f"an upgrade by {helm} does not keep what was made at install: {found}")


def comments():
    """The description of each value: the `# --` comment above it."""
    described, stack, text = {}, [], None
    for line in (CHART / "values.yaml").read_text().splitlines():
        stripped = line.strip()
        if stripped.startswith("# --"):
            text = stripped[4:].strip()
        elif stripped.startswith("#"):
            text = f"{text} {stripped[1:].strip()}" if text is not None else None
        elif match := re.match(r"^( *)([A-Za-z]\w*):", line):
            depth = len(match[1])
            stack = [(at, key) for at, key in stack if at < depth] + [(depth, match[2])]
            if text is not None:
                described[tuple(key for _, key in stack)] = text
            text = None
        else:
            text = None
    return described


def table():
    """The values as a table in Markdown."""
    described = comments()
    rows = ["| value | default | meaning |", "|---|---|---|"]

    def walk(value, path):
        inner = isinstance(value, dict) and value and (
            path not in described or any(key[: len(path)] == path != key for key in described)
        )
        if path in described or not inner:
            default = "" if inner else f"`{json.dumps(value)}`"
            text = described.get(path, "").replace("|", "\\|")
            rows.append(f"| `{'.'.join(path)}` | {default} | {text} |")
        if inner:
            for key, next_value in value.items():
                walk(next_value, path + (key,))

    for key, value in yaml.safe_load((CHART / "values.yaml").read_text()).items():
        walk(value, (key,))
    return "\n".join(rows) + "\n"


def check_readme():
    """The table of values in the chart's README."""
    path = CHART / "README.md"
    start, end = "<!-- values: generated -->\n", "<!-- end of values -->\n"
    before, rest = path.read_text().split(start)
    compare(path, before + start + table() + end + rest.split(end)[1])


def check_guide():
    """The YAML of docs/operations.md: manifests as they are, and values as the chart takes them."""
    text = (ROOT / "docs/operations.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for block in blocks:
        if "apiVersion:" in block:
            check_manifests("docs/operations.md", documents(block))
        else:
            # A hash is cut short for people.
            values = block.replace("sha256:...", f"sha256:{'0' * 64}")
            run(HELMS[0], "template", "x", CHART, "--values", "-", stdin=values)
    if len(blocks) < 2:
        fail("docs/operations.md has no YAML any more")


def plain(text):
    """A rendering without what says that Helm applied it."""
    marks = r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n|^# Source: .*\n"
    return re.sub(marks, "", text, flags=re.MULTILINE)


def check_deploy():
    """That deploy/ is what the chart makes of its values, that kustomize takes it, and that no
    secret is in it."""
    for folder, values, only in (
        (DEPLOY, DEPLOY / "values.yaml", None),
        (DEPLOY / "monitoring", DEPLOY / "monitoring/values.yaml", "templates/monitoring.yaml"),
    ):
        arguments = ["--skip-tests", "--values", DEPLOY / "values.yaml", "--values", values]
        arguments += ["--show-only", only] if only else []
        head = "# Made from helm/lazaretto by helm/check.py --update: not to be changed by hand.\n"
        compare(folder / "lazaretto.yaml", head + plain(template(HELMS[0], *arguments)))
        objects = documents(run(KUBECTL, "kustomize", folder))
        if not objects or any(each["kind"] == "Secret" for each in objects):
            fail(f"{folder}: kustomize gives nothing, or a Secret")
        check_manifests(folder.name, objects)
    print("deploy/ goes through kustomize")


def expressions():
    """Each query of the dashboard, its variables filled in as Grafana would."""
    dashboard = json.loads((CHART / "files/dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$__rate_interval", "2m").replace("$", "")


def check_monitoring():
    """The alerts and the queries of the dashboard, by promtool."""
    alerts = CHART / "files/alerts.yaml"
    run(PROMTOOL, "check", "rules", alerts)
    run(PROMTOOL, "test", "rules", HERE / "tests/alerts.test.yaml")
    names = [rule["alert"] for group in documents(alerts.read_text())[0]["groups"] for rule in group["rules"]]
    if len(set(names)) != len(names):
        fail("two alerts have one name")
    queries = list(expressions())
    rules = [{"record": f"query:{at}", "expr": query} for at, query in enumerate(queries)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dashboard.yaml")
        path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        run(PROMTOOL, "check", "rules", path)
        path.write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": [{"record": "x", "expr": "sum("}]}]}))
        try:
            run(PROMTOOL, "check", "rules", path)
        except subprocess.CalledProcessError:
            pass
        else:
            fail("promtool takes a broken query")
    print(f"promtool takes {len(names)} alerts, their tests, and {len(queries)} queries")


def main():
    """Runs all checks, and tells how many failed."""
    for check in (
        check_rendering, check_sizes, check_ids, check_refusals, check_that_checks_can_fail,
        check_notes, check_upgrade, check_readme, check_guide, check_deploy, check_monitoring,
    ):
        try:
            check()
        except subprocess.CalledProcessError as error:
            fail(f"{check.__name__}: {error.cmd}: {error.stderr}")
    sys.exit(f"{len(failures)} checks failed" if failures else 0)


if __name__ == "__main__":
    main()
