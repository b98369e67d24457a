"""How MLflow runs a registered bundle: this file travels with the model as source code, nothing is pickled.

The bundle is verified and repeats its golden images when it is loaded, as on the device.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from deploy.edge.bundle import open_bundle, self_test
from deploy.edge.engines.base import Engine
from deploy.edge.engines.registry import open_engine


class ServedBundle(PythonModel):
    """`predict(uint8 (N, H, W, 3))` -> `{"probabilities", "embedding"}`, both float32."""

    engine: Engine

    def load_context(self, context: PythonModelContext) -> None:
        """Open and verify the bundle that lies beside this file."""
        bundle = open_bundle(Path(context.artifacts["bundle"]))
        self.engine = open_engine("onnxruntime", bundle.folder / bundle.manifest.model)
        self_test(bundle, self.engine)

    def predict(  # the names are MLflow's
        self,
        context: Any,  # noqa: ARG002
        model_input: np.ndarray,  # MLflow warns at any hint but this very one
        params: Any = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """The engine's outputs; MLflow has held the input against the signature already."""
        outputs = self.engine.run(model_input)
        return {"probabilities": outputs.probabilities, "embedding": outputs.embedding}


mlflow.models.set_model(ServedBundle())
