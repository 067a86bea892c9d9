"""A store's SQLite file is there whole or not at all.

MLflow builds a new one by some fifty migrations, a second or more of them, and SQLite commits each
step of a migration by itself. A process that is killed meanwhile leaves a file that no later start
could open: "table … already exists".
"""

import shutil
from contextlib import suppress
from pathlib import Path


def make_database(uri: str) -> None:
    """Make the SQLite file of a tracking URI if it is not there: under another name first.

    Whoever calls it holds the lock of those who open the store.

    Args:
        uri: of any store; one that is no SQLite file is left alone.

    Raises:
        Exception: whatever MLflow or a disk may come up with.
    """
    if not uri.startswith("sqlite:"):
        return
    from mlflow import MlflowClient  # noqa: PLC0415 - two seconds that only a run with tracking pays
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - as above

    url = make_url(uri)
    if not url.database or url.database == ":memory:" or Path(url.database).exists():
        return
    path = Path(url.database)
    making, made = (path.with_name(f"{path.name}.{end}") for end in ("making", "made"))
    journal = making.with_name(f"{making.name}-journal")
    for left in (making, journal):
        left.unlink(missing_ok=True)
    address = url.set(database=str(making)).render_as_string(hide_password=False)
    MlflowClient(tracking_uri=address).search_experiments()
    shutil.copyfile(making, made)  # MLflow keeps its file open, which Windows would not rename
    made.replace(path)
    with suppress(OSError):  # nor remove
        making.unlink()
