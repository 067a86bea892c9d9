"""Results as mappings of schema version 2, for code that does not use `Comparison` yet."""

from collections.abc import Mapping
from typing import Any

from convchoice.analysis.measure import Measure, measure_of
from convchoice.analysis.result import SCHEMA_VERSION, Comparison

BANDS = ("accuracy", "nll", "consistency", "ink_lost", "error_interior", "error_whole")
UNITS = {"accuracy": "_percentage_points", "nll": "_nats", "consistency": "_percentage_points"}


def _renamed(block: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in block.items()}


def _difference(block: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    return {
        "unit": measure.unit,
        "mean": block[measure.key("difference")],
        "values": block[measure.key("differences")],
        **{
            name: block[measure.key(name)]
            for name in ("standard_deviation", "interval_95", "interval_90")
        },
        **{name: block[name] for name in ("p_t", "p_sign_flip")},
        "p_holm": block.get("p_holm"),
    }


def _bands(block: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    keys = {name: f"{name}{suffix}{UNITS.get(name, '') if suffix else ''}" for name in BANDS}
    found = {name: block[key] for name, key in keys.items() if key in block}
    rest = {key: value for key, value in block.items() if key not in keys.values()}
    return {**_renamed(rest, {"value": "values"}), "bands": found}


def _arm(block: Mapping[str, Any]) -> dict[str, Any]:
    curves = block["learning_curves"]
    errors = block["errors_by_digit"]
    return {
        "seeds": block["seeds"],
        "reference": block["partner"],
        "configuration": block["configuration"],
        "differs_from_reference": {
            key: {"arm": values["arm"], "reference": values["partner"]}
            for key, values in block["differs_from_partner"].items()
        },
        "scores": {
            key: value
            for key, value in block.items()
            if isinstance(value, Mapping) and set(value) == {"mean", "interval_95", "values"}
        },
        "costs": block["costs"],
        "learning_curves": {
            "epochs": curves["epoch"],
            "bands": {key: band for key, band in curves.items() if key != "epoch" and band},
        },
        "class_errors": errors and _renamed(errors, {"errors_mean": "mean"}),
        "confusion": block["confusion"],
        "curves": [_bands(series, "") for series in block["curves"]],
        "introspection": block.get("inside"),
    }


SIDES = {
    "only_arm_right": "only_arm_correct",
    "only_partner_right": "only_reference_correct",
    "arm_answers": "arm_predictions",
    "partner_answers": "reference_predictions",
}


def _contrast(block: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    flips, errors = block["flips"], block["errors_by_digit"]
    new = block["new_digits"]
    return {
        "arm": block["arm"],
        "reference": block["partner"],
        "seeds": block["seeds"],
        "left_out_seeds": _renamed(block["left_out_seeds"], {"partner": "reference"}),
        "difference": _difference(block, measure),
        "verdict": block["verdict"],
        "seeds_needed": block["seeds_needed"],
        "seed_notes": block["seeds_sentences"],
        "nll": block["nll"] and _difference(block["nll"], measure_of("test/nll")),
        "new_images_interval_95": new and new["interval_95_percentage_points"],
        "mcnemar": block["mcnemar"] and _renamed(block["mcnemar"], SIDES),
        "class_errors": errors and _renamed(errors, {"difference_errors": "mean"}),
        "confusion_difference": block["confusion_difference"],
        "flips": flips
        and {
            key: [_renamed(item, SIDES) for item in value] if isinstance(value, list) else value
            for key, value in flips.items()
        },
        "cost_ratio": {key.removesuffix("_ratio"): value for key, value in block["price"].items()},
        "curves": [_bands(series, "_difference") for series in block["curves"]],
    }


def _published_value(row: Mapping[str, Any]) -> dict[str, Any]:
    renamed = _renamed(row, {"printed": "published", "place": "rank"})
    renamed.pop("comparable", None)
    return renamed


def _published(block: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "published_epochs": block["epochs"]["printed"],
        "our_epochs": block["epochs"]["ours"],
        "comparable_epochs": block["comparable_epochs"],
        "by_epoch": [_published_value(row) for row in block["rows"]],
        "final": [_published_value(row) for row in block["final"]],
        "wilson_95": block["wilson_95"],
        "note": block["note"],
    }


def from_version_2(old: Mapping[str, Any]) -> Comparison:
    """The typed result of a mapping of version 2."""
    measure = Measure.model_validate(old["measure"])
    study = _renamed(old["study"], {"printed": "published"})
    return Comparison.model_validate(
        {
            "schema_version": SCHEMA_VERSION,
            "study": study,
            "measure": old["measure"],
            "arms": {name: _arm(block) for name, block in old["arms"].items()},
            "contrasts": [_contrast(block, measure) for block in old["contrasts"]],
            "claim": old["claim"],
            "pictures": old["pictures"],
            "published": old["printed"] and _published(old["printed"]),
            "failed": old["failed"],
            "missing_seeds": old["partial"]["missing_seeds"],
            "provenance": old["made"],
            "cautions": old["cautions"],
        }
    )


def _old_difference(block: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    return {
        measure.key("difference"): block["mean"],
        measure.key("differences"): block["values"],
        **{
            measure.key(name): block[name]
            for name in ("standard_deviation", "interval_95", "interval_90")
        },
        **{name: block[name] for name in ("p_t", "p_sign_flip", "p_holm")},
    }


def _old_bands(block: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    bands = block["bands"]
    rest = _renamed({k: v for k, v in block.items() if k != "bands"}, {"values": "value"})
    return rest | {
        f"{name}{suffix}{UNITS.get(name, '') if suffix else ''}": band
        for name, band in bands.items()
    }


def _old_arm(block: Mapping[str, Any]) -> dict[str, Any]:
    curves, errors = block["learning_curves"], block["class_errors"]
    names = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
    return {
        "n": len(block["seeds"]),
        "seeds": block["seeds"],
        "partner": block["reference"],
        "configuration": block["configuration"],
        "differs_from_partner": {
            key: {"arm": values["arm"], "partner": values["reference"]}
            for key, values in block["differs_from_reference"].items()
        },
        "test/accuracy": None,
        "test/nll": None,
        **block["scores"],
        "costs": block["costs"],
        "learning_curves": {
            "epoch": curves["epochs"],
            **{name: curves["bands"].get(name) for name in names},
        },
        "errors_by_digit": errors and _renamed(errors, {"mean": "errors_mean"}),
        "confusion": block["confusion"],
        "curves": [_old_bands(series, "") for series in block["curves"]],
        "inside": block["introspection"],
    }


OLD_SIDES = {new: old for old, new in SIDES.items()}


def _old_contrast(block: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    flips, errors = block["flips"], block["class_errors"]
    return {
        "arm": block["arm"],
        "partner": block["reference"],
        "n": len(block["seeds"]),
        "seeds": block["seeds"],
        "left_out_seeds": _renamed(block["left_out_seeds"], {"reference": "partner"}),
        "metric": measure.metric,
        **_old_difference(block["difference"], measure),
        "verdict": block["verdict"],
        "seeds_needed": block["seeds_needed"],
        "seeds_sentences": block["seed_notes"],
        "nll": block["nll"] and _old_difference(block["nll"], measure_of("test/nll")),
        "new_digits": block["confusion_difference"]
        and {"interval_95_percentage_points": block["new_images_interval_95"]},
        "mcnemar": block["mcnemar"] and _renamed(block["mcnemar"], OLD_SIDES),
        "errors_by_digit": errors and _renamed(errors, {"mean": "difference_errors"}),
        "confusion_difference": block["confusion_difference"],
        "flips": flips
        and {
            key: [_renamed(item, OLD_SIDES) for item in value] if isinstance(value, list) else value
            for key, value in flips.items()
        },
        "price": {f"{key}_ratio": value for key, value in block["cost_ratio"].items()},
        "curves": [_old_bands(series, "_difference") for series in block["curves"]],
    }


def _old_published(block: Mapping[str, Any]) -> dict[str, Any]:
    names = {"published": "printed", "rank": "place"}
    return {
        "epochs": {"printed": block["published_epochs"], "ours": block["our_epochs"]},
        "comparable_epochs": block["comparable_epochs"],
        "rows": [_renamed(row, names) for row in block["by_epoch"]],
        "final": [
            {**_renamed(row, names), "comparable": row["rank"] is not None}
            for row in block["final"]
        ],
        "wilson_95": block["wilson_95"],
        "note": block["note"],
    }


def as_version_2(comparison: Comparison) -> dict[str, Any]:
    """A typed result as a mapping of version 2."""
    new = comparison.model_dump(mode="json")
    return {
        "schema_version": 2,
        "study": _renamed(new["study"], {"published": "printed"}),
        "measure": new["measure"],
        "arms": {name: _old_arm(block) for name, block in new["arms"].items()},
        "contrasts": [_old_contrast(block, comparison.measure) for block in new["contrasts"]],
        "claim": new["claim"],
        "pictures": new["pictures"],
        "printed": new["published"] and _old_published(new["published"]),
        "failed": new["failed"],
        "partial": {
            "is_partial": bool(new["missing_seeds"]),
            "missing_seeds": new["missing_seeds"],
        },
        "made": new["provenance"],
        "cautions": new["cautions"],
        "sha256": new["sha256"],
    }
