"""ZenML finds its repository where the launcher says, names our code as ours, and imports nothing it should not."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

SCRIPT = """
    import json, os, sys
    from pathlib import Path
    from pipelines.settings import load_settings
    from pipelines.launcher.client import open_zenml
    from pipelines.launcher import environment

    settings = load_settings({"PLUMBLINE_STORE": sys.argv[1]}, Path.cwd())
    client = open_zenml(settings)
    from zenml import step
    from zenml.utils import source_utils
    from steps.check_data import check_data
    from zenml.integrations.registry import integration_registry
    from zenml.materializers.materializer_registry import materializer_registry

    integration_registry.activate_integrations()
    source = source_utils.resolve(check_data.entrypoint, skip_validation=True)
    places = environment.places_of(settings.store)
    print(json.dumps({
        "root": str(client.root),
        "state": os.environ["ZENML_CONFIG_PATH"],
        "database": client.zen_store.url,
        "kind": source.type.value,
        "import_path": source.import_path,
        "loaded": [name for name in ("torch", "lightning", "sklearn", "mlflow") if name in sys.modules],
        "unknown_type": materializer_registry[complex_type].__name__
            if (complex_type := type("Odd", (), {})) else "",
        "config": (places.folder / "config.yaml").is_file(),
        "analytics": os.environ["ZENML_ANALYTICS_OPT_IN"],
    }))
"""


@pytest.fixture(scope="module")
def opened(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a fresh process saw, started in a folder that is not the repository."""
    store = tmp_path_factory.mktemp("store")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(store)],
        cwd=store,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "HOME": str(store)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {"store": str(store), **json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.zenml
def test_repository_and_state_travel_together_inside_the_store(opened: dict[str, object]) -> None:
    store = Path(str(opened["store"]))
    assert Path(str(opened["root"])) == store / "zenml"
    assert Path(str(opened["state"])).is_relative_to(store / "zenml" / ".zenml")
    assert str(store) in str(opened["database"])
    assert opened["config"] is True


@pytest.mark.zenml
def test_our_code_resolves_as_ours(opened: dict[str, object]) -> None:
    assert opened["kind"] == "user"
    assert opened["import_path"] == "steps.check_data.check_data"


@pytest.mark.zenml
def test_opening_loads_no_integration_and_knows_no_pickle(opened: dict[str, object]) -> None:
    assert opened["loaded"] == []
    assert opened["unknown_type"] == "RefusingMaterializer"
    assert opened["analytics"] == "false"


def test_the_repository_folder_is_committed_without_its_state(root: Path) -> None:
    ignored = (root / ".gitignore").read_text().splitlines()
    assert {".zenml/*", "!.zenml/README.md", "!.zenml/stacks/"} <= set(ignored)
    assert (root / ".zenml" / "README.md").is_file()


@pytest.mark.parametrize("name", ["local", "kubernetes.example"])
def test_stacks_are_what_zenml_imports(root: Path, name: str) -> None:
    from importlib.metadata import version

    stack = yaml.safe_load((root / ".zenml" / "stacks" / f"{name}.yaml").read_text())
    assert stack["zenml_version"] == version("zenml")
    assert {"orchestrator", "artifact_store"} <= set(stack["components"])
    for kind, component in stack["components"].items():
        assert component["type"] == kind
        assert set(component) == {"name", "type", "flavor", "configuration"}


def test_the_kubernetes_example_fits_zenmls_own_settings(root: Path) -> None:
    from zenml.integrations.kubernetes.flavors import KubernetesOrchestratorConfig

    stack = yaml.safe_load((root / ".zenml" / "stacks" / "kubernetes.example.yaml").read_text())
    given = stack["components"]["orchestrator"]["configuration"]
    assert set(given) <= set(KubernetesOrchestratorConfig.model_fields)
