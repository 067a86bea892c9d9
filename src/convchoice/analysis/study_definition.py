"""The definition of a study before its first result, and what was amended since.

`compose` records it in `<reports>/<study>/definition.json` before anything is trained; the study's
first result, at any scale, makes it final. Commit the file with the reports. It is a record, not a
lock: nothing is refused because of it.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, ValidationError

from convchoice.analysis import text
from convchoice.analysis.comparison_files import COMPARISON, digest_of, read_comparison
from convchoice.analysis.measure import Measure
from convchoice.analysis.result import Amendment, DefinitionHistory
from convchoice.analysis.result_types import Count, Model, Name
from convchoice.config.field_types import plain_values
from convchoice.config.study import Study
from convchoice.errors import RunFolderError, StorageError
from convchoice.runs.fingerprint import git
from convchoice.runs.output_files import MANIFEST, replace_files
from convchoice.runs.run_folder import json_text

DEFINITION = "definition.json"
PROSE = ("source", "labels", "descriptions", "see", "survive", "notes")
"""Keys of a study that do not decide what is asked."""


class RecordedDefinition(Model):
    """The content of `definition.json`."""

    study: Name = Field(description="The study's name.")
    commit: str | None = Field(description="Git's commit that holds it; null if none did.")
    before_results: bool = Field(description="Whether it was recorded before the first result.")
    final: bool = Field(default=False, description="Whether there has been a result since.")
    sha256: str = Field(description="Of the definition.")
    definition: dict[str, JsonValue] = Field(description="The study without its prose.")
    looks: dict[str, list[Count]] = Field(
        default={}, description="Seeds of the results so far, by digest of the arms' settings."
    )

    def before(self, seeds: int) -> "RecordedDefinition":
        """The record with the looks at fewer seeds alone."""
        earlier = {key: [n for n in looks if n < seeds] for key, looks in self.looks.items()}
        kept = {key: looks for key, looks in earlier.items() if looks}
        return self.model_copy(update={"looks": kept})


def definition_of(study: Study) -> dict[str, Any]:
    """What a study asks: its keys without prose and without those that are empty."""
    values: Mapping[str, Any] = plain_values(study)
    return {key: value for key, value in values.items() if key not in PROSE and value}


def _commit(file: Path) -> str | None:
    """The last commit of a file; None if it is not committed as it is."""
    changed = git(file.parent, "status", "--porcelain", "--", file.name)
    found = "" if changed else git(file.parent, "log", "-1", "--format=%H", "--", file.name)
    return found or None


def with_look(record: RecordedDefinition, result: Path) -> RecordedDefinition:
    """The record with the seeds of the present result, if there is one that can be read."""
    try:
        found = read_comparison(result)
    except RunFolderError:
        return record
    seeds = min((contrast.n for contrast in found.contrasts), default=0)
    key = digest_of({arm: each.configuration for arm, each in found.arms.items()})
    looks = sorted({*record.looks.get(key, []), *([seeds] if seeds else [])})
    return record.model_copy(update={"looks": {**record.looks, key: looks}}) if looks else record


def read_definition(path: Path) -> RecordedDefinition | None:
    """The record in a file; None if there is none, or it is damaged."""
    try:
        record = RecordedDefinition.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return record if record.sha256 == digest_of(record.definition) else None


def record_definition(reports: Path, study: Study, file: Path) -> RecordedDefinition:
    """The record of a study's definition, which is written if it is new or not yet final.

    A folder that cannot be written is a warning.

    Args:
        reports: folder of the reports, for all scales.
        study: as it is now.
        file: the study's YAML file.
    """
    path = reports / study.name / DEFINITION
    of_all_scales = [path.parent, *sorted(reports.glob(f"*/{study.name}"))]
    results = any((folder / MANIFEST).exists() for folder in of_all_scales)
    known, definition = read_definition(path), definition_of(study)
    final = results or (known is not None and known.final)
    if known is not None and (final or known.definition == definition):
        record = known.model_copy(update={"final": final})
    else:
        record = RecordedDefinition(
            study=study.name,
            commit=_commit(file),
            before_results=not results,
            final=final,
            sha256=digest_of(definition),
            definition=definition,
        )
    for folder in of_all_scales:
        record = with_look(record, folder / COMPARISON)
    if record == known:
        return record
    try:
        replace_files(path.parent, {path.name: json_text(record.model_dump(mode="json"))})
    except StorageError as error:
        print(f"warning: the definition is not recorded: {error}", file=sys.stderr)
    return record


def history_of(
    record: RecordedDefinition | None,
    study: Study,
    configurations: Mapping[str, Mapping[str, Any]],
) -> DefinitionHistory | None:
    """What was amended since a record was made, and earlier looks; None without a record.

    Args:
        record: of the study.
        study: as it is now.
        configurations: of its arms, as `ArmResult.configuration`; looks at results with others do
            not count.
    """
    if record is None:
        return None
    before, now = record.definition, definition_of(study)
    fields = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return DefinitionHistory(
        commit=record.commit,
        before_results=record.before_results,
        sha256=record.sha256,
        earlier_looks=record.looks.get(digest_of(configurations), []),
        amendments=[
            Amendment(field=key, before=before.get(key), now=now.get(key)) for key in fields
        ],
    )


def _changed(name: str, before: Any, now: Any, label: Callable[[str], str]) -> Iterator[str]:
    """What changed in one key of a study's definition, in words."""
    if isinstance(before or now, dict):
        before, now = before or {}, now or {}
        for key in dict.fromkeys([*before, *now]):
            if before.get(key) != now.get(key):
                yield from _changed(f"{name} of {label(key)}", before.get(key), now.get(key), label)
        return
    if isinstance(before or now, list):
        gone = [label(str(each)) for each in before or [] if each not in (now or [])]
        new = [label(str(each)) for each in now or [] if each not in (before or [])]
        if not (len(gone) == len(new) == 1):
            parts = [f"{text.listed(names)} {verb}" for names, verb in
                     ((gone, "removed"), (new, "added")) if names]  # fmt: skip
            yield f"{name}: {' and '.join(parts) or 'in another order'}"
            return
        before, now = gone[0], new[0]
    words = ["none" if value is None else label(str(value)) for value in (before, now)]
    yield f"{name}: {' → '.join(words)}"


def _definition(values: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    """The keys of a definition in words; an earlier version had one claim, without predictions."""
    found = dict(values)
    claims = found.pop("claims", None) or []
    if old := found.pop("claim", None):
        claims = [{"says": old}]
    found.pop("claim_arm", None)
    if claims:
        found["claims"] = [f"“{each['says']}”" for each in claims]
        found["predictions"] = {
            arm: word for each in claims for arm, word in each.get("predicts", {}).items()
        }
    margin = found.get("margin")
    if margin is not None:
        found["margin"] = text.margin(margin, measure).removeprefix("±")
    return {"references" if key == "against" else key: value for key, value in found.items()}


def amendments(
    history: DefinitionHistory, label: Callable[[str], str], measure: Measure
) -> list[str]:
    """What was amended since the first definition: ``margin: 0.1 points → 0.2 points``.

    Args:
        history: of the study.
        label: an arm's name for people.
        measure: of the study.
    """
    before = _definition({each.field: each.before for each in history.amendments}, measure)
    now = _definition({each.field: each.now for each in history.amendments}, measure)
    if "predictions" not in before or not before["predictions"]:
        now.pop("predictions", None)  # they come with the claims
        before.pop("predictions", None)
    lines: list[str] = []
    for key in dict.fromkeys([*before, *now]):
        if before.get(key) != now.get(key):
            lines += _changed(key.replace("_", " "), before.get(key), now.get(key), label)
    return lines
