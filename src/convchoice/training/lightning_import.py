"""Lightning, imported without torchmetrics.

Lightning imports torchmetrics for the metrics that a module may log, and with it scipy, matplotlib
and torchvision: half of the time that the import takes in every worker process. Nothing is logged
through Lightning here, so two empty classes take the place of torchmetrics.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

_metrics = ModuleType("torchmetrics")
_metrics.__spec__ = ModuleSpec("torchmetrics", None)
for _name in ("Metric", "MetricCollection"):
    setattr(_metrics, _name, type(_name, (), {}))
_replaced = sys.modules.setdefault("torchmetrics", _metrics) is _metrics

from pytorch_lightning import Callback, LightningModule, Trainer  # noqa: E402
from pytorch_lightning.plugins import TorchCheckpointIO  # noqa: E402

if _replaced:
    del sys.modules["torchmetrics"]  # a later import finds the real one

__all__ = ["Callback", "LightningModule", "TorchCheckpointIO", "Trainer"]
