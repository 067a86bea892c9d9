"""The code of a logged model: MLflow copies this file and runs it, so that nothing is pickled.

The network is built again from its composed YAML, and its weights are safetensors. It is the
training code's own: the package lies beside it in the logged model.
"""

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

CONFIG, WEIGHTS, CLASSES = "config", "weights", "classes"
"""Names of the artifacts: the composed YAML, the safetensors, a class's name a line."""


class ImageClassifier(PythonModel):
    """Images as the data set has them to answers."""

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
        model_input: np.ndarray,  # MLflow knows this spelling alone
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """An answer an image.

        Args:
            context: MLflow's.
            model_input: uint8 (N, H, W) or (N, C, H, W), as the data set has them.
            params: none are used.

        Returns:
            A data frame with a row an image: `answer` (the class's name), `probability` of it, and
            all `logits`.
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
