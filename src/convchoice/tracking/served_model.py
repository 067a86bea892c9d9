"""The code of a logged model: MLflow copies this file and runs it, so that nothing is pickled.

The network is built from its composed YAML by this package, a copy of which is in the logged model,
and its weights are read from safetensors.
"""

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

CONFIG, WEIGHTS, CLASSES = "config", "weights", "classes"
"""Names of the artifacts: composed YAML, safetensors, names of the classes (one per line)."""


class ImageClassifier(PythonModel):
    """Classifies images as the data set has them."""

    def load_context(self, context: Any) -> None:
        """Build the network and load its weights; torch is imported only here."""
        from safetensors.torch import load_file  # noqa: PLC0415

        from convchoice.config.validation import config_from_mapping  # noqa: PLC0415
        from convchoice.config.yaml_files import read_yaml  # noqa: PLC0415
        from convchoice.networks.network import Network  # noqa: PLC0415

        files = {name: Path(path) for name, path in context.artifacts.items()}
        self.config = config_from_mapping(read_yaml(files[CONFIG]), str(files[CONFIG]))
        self.network = Network(self.config)
        self.network.load_state_dict(load_file(files[WEIGHTS]))
        self.network.eval()
        self.names = files[CLASSES].read_text(encoding="utf-8").splitlines()

    def predict(
        self,
        context: Any,  # noqa: ARG002
        model_input: np.ndarray,  # MLflow accepts only this annotation
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """Classify images.

        Args:
            context: unused.
            model_input: uint8 (N, H, W) or (N, C, H, W), as the data set has them.
            params: unused.

        Returns:
            A data frame with one row per image: `answer` (the name of the class), its `probability`
            and all `logits`.
        """
        import pandas as pd  # noqa: PLC0415
        import torch  # noqa: PLC0415

        from convchoice.data.preparation import test_images  # noqa: PLC0415
        from convchoice.training.batches import scaled  # noqa: PLC0415

        images = torch.from_numpy(np.asarray(model_input, dtype=np.uint8))
        with torch.inference_mode():
            logits = self.network(scaled(test_images(images, self.config.data))).float()
        chances, places = logits.double().softmax(1).max(1)
        return pd.DataFrame(
            {
                "answer": [self.names[place] for place in places.tolist()],
                "probability": chances.tolist(),
                "logits": logits.tolist(),
            }
        )


set_model(ImageClassifier())
