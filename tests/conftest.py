"""What every test may lean on: an isolated environment, the real images, one hypothesis profile for fuzzing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# Before anything imports ZenML: one store per worker, none of it in the checkout.
_ZENML = Path(tempfile.gettempdir()) / f"plumbline-tests-{os.getpid()}"
os.environ.update(
    {
        "ZENML_REPOSITORY_DIRECTORY_NAME": ".zenml",
        "ZENML_CONFIG_PATH": str(_ZENML / "state"),
        "ZENML_CUSTOM_SOURCE_ROOT": str(ROOT),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GX_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
    }
)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Two workers with two threads each on two cores wait for one another, minutes for what takes seconds.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
for _name in [name for name in os.environ if name.startswith("PLUMBLINE_")]:
    if _name != "PLUMBLINE_TEST_ASSETS":
        del os.environ[_name]

settings.register_profile(
    "default", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "fuzz",
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "2000")),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real images and weights; absent is a failure in CI and a skip elsewhere."""
    folder = Path(os.environ.get("PLUMBLINE_TEST_ASSETS", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        reason = f"no real images under {folder}: set PLUMBLINE_TEST_ASSETS"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
