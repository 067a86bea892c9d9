"""How MLflow's pages show the experiment: its description, and what the list *Views* offers.

MLflow keeps a saved view in a tag of the experiment, under a key that a link can name:
``#/experiments/1/runs?viewStateShareKey=arms``. What a view does not set has MLflow's default.
"""

import json
from typing import Any

from convchoice.tracking.mlflow_entry import NOTE

DESCRIPTION = """\
**Arms** (`max`, `average`, …) with the means over their seeds. *Views*: every seed, the studies.

`max/seed-0` and so on are the runs of an arm, and `test/accuracy_sd` is their standard deviation.
`study/…` are studies, with the answers in the description, and figures as artifacts.
"""
FIRST_VIEW = "arms"
COSTS = ("cost/parameters", "cost/macs", "cost/train_seconds")
ARM_COLUMNS = ("test/accuracy", "test/nll", *COSTS, "test/accuracy_sd", "seeds")
BY_ARM = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "arm"}]}
SECTIONS = [
    {"uuid": name, "name": name, "display": True, "isReordered": True, "isGenerated": True}
    for name in ("test", "val", "train", "cost")
]
"""Groups of charts, in this order; MLflow's own is that of the alphabet."""
FIRST_CHARTS = [
    {
        "type": "BAR",
        "uuid": name,
        "metricKey": name,
        "metricSectionId": "test",
        "isGenerated": True,
        "runsCountToCompare": 20,
    }
    for name in ("test/accuracy", "test/nll")
]
"""MLflow appends the charts of all other metrics."""
CREATED = 1_767_225_600_000
"""Milliseconds since 1970; always the same, so that equal views are equal tags."""


def metrics_view(kind: str, *metrics: str) -> dict[str, Any]:
    """The runs of a kind, with columns for some metrics, in this order."""
    columns = [f"metrics.`{name}`" for name in metrics]
    return {
        "searchFilter": f"tags.`convchoice.kind` = '{kind}'",
        "selectedColumns": columns,
        "columnOrder": columns,
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": FIRST_CHARTS,
        "compareRunSections": SECTIONS,
        "isAccordionReordered": True,
    }


VIEWS = {
    FIRST_VIEW: ("Arms", metrics_view("arm", *ARM_COLUMNS)),
    "seeds": (
        "Every seed, by arm",
        # In another order than that of time, MLflow leaves out the arms that the runs belong to.
        metrics_view("run", "test/accuracy", "test/nll", *COSTS)
        | {"groupBy": BY_ARM, "orderByKey": "metrics.`test/accuracy`"},
    ),
    "studies": (
        "Studies",
        metrics_view("study") | {"selectedColumns": ["attributes.`Description`"]},
    ),
}
"""By key, the name in the list and the state of the page."""


def experiment_tags() -> dict[str, str]:
    """Tags of the experiment: description, kind, views."""
    # The kind makes the page open on runs and curves, not on conversations.
    tags = {NOTE: DESCRIPTION, "mlflow.experimentKind": "custom_model_development"}
    for key, (name, state) in VIEWS.items():
        saved = {"name": name, "createdAt": CREATED, "state": json.dumps(state)}
        tags[f"mlflow.sharedViewState.{key}"] = json.dumps(saved)
    return tags
