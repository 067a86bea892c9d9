"""What changes the fingerprint of a run, and what does not."""

from pathlib import Path

from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.runs.fingerprint import NUMERIC_MODULES, code_digest, fingerprint


def test_configuration_seed_data_and_code_each_count() -> None:
    base = fingerprint(Config(), "data", "code")
    assert base == fingerprint(Config(), "data", "code")
    changed = {
        fingerprint(config_from_mapping({"seed": 1}), "data", "code"),
        fingerprint(config_from_mapping({"conv": {"stride": 2}}), "data", "code"),
        fingerprint(Config(), "other data", "code"),
        fingerprint(Config(), "data", "other code"),
    }
    assert len(changed | {base}) == 5


def write_modules(folder: Path, text: str) -> str:
    for name in NUMERIC_MODULES:
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return code_digest(folder)


def test_comments_docstrings_and_layout_do_not_count_and_code_does(tmp_path: Path) -> None:
    plain = write_modules(
        tmp_path, 'SIDE = 8\n"""Pixels."""\ndef f(x):\n    "f"\n    return 2 * x\n'
    )
    same = 'SIDE = 8\n"""In pixels."""\n\n# why\ndef f(x):\n    """2x."""\n    return (2 *\n  x)\n'
    assert write_modules(tmp_path, same) == plain
    assert write_modules(tmp_path, same.replace("(2 *", "(3 *")) != plain
