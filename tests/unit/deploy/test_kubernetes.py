"""The Kubernetes manifest, against the schema of the API and against what the server does."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from server.config.settings import Process, Settings

KUBERNETES_VERSION = "1.30"
"""The oldest whose schema the locked package carries."""

MANIFEST = Path("deploy/kubernetes/flovyn-server.yaml")
RESOURCES: dict[str, Any] = {resource["kind"]: resource for resource in yaml.safe_load_all(MANIFEST.read_text())}


def container() -> Any:
    return RESOURCES["Deployment"]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("kind", ["Deployment", "Service", "PodDisruptionBudget"])
def test_schema(kind: str) -> None:
    """Every resource is what its schema says, without a key that the schema does not know."""
    kubernetes_validate.validate(RESOURCES[kind], KUBERNETES_VERSION, strict=True)


def test_schema_is_strict() -> None:
    """The validation above finds a misspelt key deep inside."""
    wrong = copy.deepcopy(RESOURCES["Deployment"])
    wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES_VERSION, strict=True)


def test_labels_select_the_pods() -> None:
    """Deployment, Service and budget select the pods that the template makes."""
    labels = RESOURCES["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert RESOURCES["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert RESOURCES["Service"]["spec"]["selector"] == labels
    assert RESOURCES["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels


def test_ports() -> None:
    """The ports are the server's own."""
    declared = {port["name"]: port["containerPort"] for port in container()["ports"]}
    fields = Settings.model_fields
    assert declared == {"http": fields["server_port"].default, "grpc": fields["grpc_server_port"].default}
    assert {port["targetPort"]: port["port"] for port in RESOURCES["Service"]["spec"]["ports"]} == declared


def test_a_stop_may_take_as_long_as_draining() -> None:
    """The grace period holds the wait before the signal, the draining, and something to spare."""
    wait = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    grace = RESOURCES["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= wait + Process().drain_timeout + 20


def test_a_replica_may_go() -> None:
    """Neither a disruption nor an upgrade takes the last server away."""
    spec = RESOURCES["Deployment"]["spec"]
    assert spec["replicas"] > RESOURCES["PodDisruptionBudget"]["spec"]["minAvailable"] >= 1
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_no_privileges() -> None:
    """The server runs as an ordinary user, on a read-only root, without privileges or a way to get any."""
    pod, own = RESOURCES["Deployment"]["spec"]["template"]["spec"]["securityContext"], container()["securityContext"]
    assert pod["runAsNonRoot"]
    assert pod["runAsUser"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
