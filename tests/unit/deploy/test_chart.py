"""The Helm chart, rendered by Helm itself: valid resources, the same as the plain manifest's, and each option.

HELM names the program; the rendered resources are held to the schemas of the Kubernetes API.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from server.config.settings import Process, Settings

KUBERNETES_VERSION = "1.30"
CHART = "deploy/helm/flovyn-server"
PLAIN = Path("deploy/kubernetes/flovyn-server.yaml")

ALL = {
    "config": '[log]\nlevel = "debug"\n',
    "env": {"LOG__FORMAT": "json"},
    "imagePullSecrets": [{"name": "registry"}],
    "podAnnotations": {"team": "a"},
    "podLabels": {"team": "a"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "service": {"annotations": {"a": "b"}},
    "podDisruptionBudget": {"minAvailable": "50%"},
    "networkPolicy": {
        "enabled": True,
        "clients": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}],
        "scrapers": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "egress": [{"ports": [{"port": 443}]}],
    },
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "horizontalPodAutoscaler": {"enabled": True},
}


def helm(*arguments: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    command = [
        os.environ["HELM"],
        *arguments,
        "--kube-version",
        KUBERNETES_VERSION,
        *(["--values", "-"] if values is not None else []),
    ]
    text = json.dumps(values) if values is not None else None
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def rendered(values: dict[str, Any] | None = None, release: str = "flovyn-server") -> dict[str, Any]:
    done = helm("template", release, CHART, values=values or {})
    assert done.returncode == 0, done.stderr
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout) if each}


def spec(resources: dict[str, Any]) -> Any:
    return resources["Deployment"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("values", [{}, ALL, {"podMonitor": {"enabled": True}, "networkPolicy": {"enabled": True}}])
def test_helm_finds_nothing_wrong(values: dict[str, Any]) -> None:
    """Helm's own checker has no warning about chart and values."""
    done = helm("lint", "--strict", CHART, values=values)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", [{}, ALL, {"podMonitor": {"enabled": True}, "networkPolicy": {"enabled": True}}])
def test_resources_fit_their_schemas(values: dict[str, Any]) -> None:
    """Every resource is what its schema says, without a key that the schema does not know."""
    for kind, resource in rendered(values).items():
        if kind != "PodMonitor":  # the Prometheus operator's own kind
            kubernetes_validate.validate(resource, KUBERNETES_VERSION, strict=True)


def test_options_are_off_until_asked_for() -> None:
    """By default there are the resources of the plain manifest; with every option, all kinds."""
    assert rendered().keys() == {"Deployment", "Service", "PodDisruptionBudget"}
    added = {"ConfigMap", "NetworkPolicy", "PodMonitor", "HorizontalPodAutoscaler"}
    assert rendered(ALL).keys() == rendered().keys() | added


def test_the_defaults_are_the_plain_manifest() -> None:
    """The container, the Pod and the ports differ from the plain manifest in the image and one variable alone."""
    plain = {each["kind"]: each for each in yaml.safe_load_all(PLAIN.read_text())}
    ours, theirs = spec(rendered()), spec(plain)
    (container,), (expected,) = ours.pop("containers"), theirs.pop("containers")
    assert container.pop("image") == f"flovyn-server:{Path('VERSION').read_text().strip()}"
    assert container.pop("env") == [{"name": "PROCESS__DRAIN_TIMEOUT", "value": str(int(Process().drain_timeout))}]
    expected.pop("image")
    assert container == expected
    for each in (ours, theirs):
        each["topologySpreadConstraints"][0].pop("labelSelector")
    assert ours == theirs
    assert rendered()["Service"]["spec"]["ports"] == plain["Service"]["spec"]["ports"]


def test_labels_select_the_pods() -> None:
    """All that selects Pods selects those of this release, and no release selects those of another."""
    for release in ("blue", "green"):
        resources = rendered(ALL, release)
        labels = resources["Deployment"]["spec"]["template"]["metadata"]["labels"]
        selectors = [
            resources["Deployment"]["spec"]["selector"]["matchLabels"],
            resources["Service"]["spec"]["selector"],
            resources["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
            resources["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
            resources["PodMonitor"]["spec"]["selector"]["matchLabels"],
        ]
        assert all(each.items() <= labels.items() for each in selectors)
        assert all(each["app.kubernetes.io/instance"] == release for each in selectors)


def test_the_container_knows_what_the_values_say() -> None:
    """File, variables and the port for metrics reach the server under names that its settings have."""
    (container,) = spec(rendered(ALL))["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert variables["CONFIG_FILE"] == "/etc/flovyn/config.toml"
    assert variables["LOG__FORMAT"] == "json"
    assert {"name": "metrics", "containerPort": int(variables["METRICS__PORT"])} in container["ports"]
    fields = Settings.model_fields
    for name in variables.keys() - {"CONFIG_FILE"}:
        assert name.partition("__")[0].lower() in fields, name
    assert rendered(ALL)["ConfigMap"]["data"]["config.toml"] == ALL["config"]


def test_a_changed_file_starts_new_pods() -> None:
    """The Pods' annotations change with the configuration file, and with nothing else."""
    first, same, other = (rendered({"config": text}) for text in ("a = 1\n", "a = 1\n", "a = 2\n"))
    annotations = [each["Deployment"]["spec"]["template"]["metadata"]["annotations"] for each in (first, same, other)]
    assert annotations[0] == annotations[1] != annotations[2]


def test_the_grace_period_holds_the_whole_stop() -> None:
    """The wait before the signal, the draining and the rest add up; the server drains as long as the values say."""
    values = {"shutdown": {"endpointSeconds": 7, "drainSeconds": 60, "spareSeconds": 30}}
    pod = spec(rendered(values))
    assert pod["terminationGracePeriodSeconds"] == 97
    (container,) = pod["containers"]
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "7"]
    assert container["env"][0] == {"name": "PROCESS__DRAIN_TIMEOUT", "value": "60"}


def test_the_autoscaler_alone_decides_on_replicas() -> None:
    """With an autoscaler, the Deployment names no number, which each upgrade would set again."""
    assert "replicas" not in rendered(ALL)["Deployment"]["spec"]
    assert rendered()["Deployment"]["spec"]["replicas"] == 2


def test_a_digest_takes_the_place_of_the_tag() -> None:
    """An image that is pinned is named by its digest alone."""
    digest = f"sha256:{'0' * 64}"
    (container,) = spec(rendered({"image": {"repository": "r/flovyn", "digest": digest}}))["containers"]
    assert container["image"] == f"r/flovyn@{digest}"


def test_only_scrapers_reach_the_port_for_metrics() -> None:
    """The network policy opens the port for metrics to the scrapers alone; without scrapers, the port stays closed."""
    policy = rendered(ALL)["NetworkPolicy"]["spec"]["ingress"]
    assert [[port["port"] for port in each["ports"]] for each in policy] == [["http", "grpc"], ["metrics"]]
    closed = rendered({"networkPolicy": {"enabled": True}, "podMonitor": {"enabled": True}})
    assert [port["port"] for each in closed["NetworkPolicy"]["spec"]["ingress"] for port in each["ports"]] == [
        "http",
        "grpc",
    ]


def test_a_wrong_value_stops_the_rendering() -> None:
    """Helm applies the schema: a misspelt value fails by name."""
    done = helm("template", "x", CHART, values={"replica": 3})
    assert done.returncode != 0
    assert "replica" in done.stderr
