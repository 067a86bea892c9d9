"""The digest that a study's result carries: a number that was altered in it is found.

Never imports torch, nor anything heavy: the short table in the terminal reads results too.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convchoice.errors import RunFolderError

DIGEST = "sha256"


def digest_of(result: Mapping[str, Any]) -> str:
    """SHA-256 over everything in a result but its own digest; layout and order do not count."""
    content = {key: value for key, value in result.items() if key != DIGEST}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def with_digest(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result that carries its digest."""
    return {**result, DIGEST: digest_of(result)}


def check_digest(path: Path, result: Mapping[str, Any]) -> None:
    """Refuse a result that is not what was written; one from before there was a digest is let pass.

    Args:
        path: of the file that was read, for the message.
        result: what it holds.

    Raises:
        RunFolderError: if it was altered.
    """
    if DIGEST in result and result[DIGEST] != digest_of(result):
        raise RunFolderError(
            f"{path}: was altered after it was made: its content is not that of its {DIGEST}."
            " Make it again: python -m convchoice.compare."
        )
