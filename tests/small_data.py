"""A small stored data set: scikit-learn's digits, the fallback for MNIST."""

from pathlib import Path

import pytest

from convchoice.config.schema import Dataset, Fallback
from convchoice.data import download
from convchoice.data.dataset import StoredDataset


def store_digits(root: Path) -> StoredDataset:
    """Store the digits under `root` without asking any mirror."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(download, "mirrors", lambda _spec: iter(()))
        return download.ensure(root, Dataset.mnist, Fallback.digits)
