"""A small verified data set: scikit-learn's digits, as the fallback stores them."""

from pathlib import Path

import pytest

from convchoice.config.schema import Dataset, Fallback
from convchoice.data import sources
from convchoice.data.dataset import StoredDataset


def store_digits(root: Path) -> StoredDataset:
    """Have the digits under `root`, asking no mirror at all, whatever the environment names."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sources, "PUBLIC_MIRRORS", {})
        patched.delenv(sources.MIRROR_VARIABLE, raising=False)
        return sources.ensure(root, Dataset.mnist, Fallback.digits)
