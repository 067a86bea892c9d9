"""A process that is killed while it makes a store's file leaves nothing in the next one's way."""

import os
import subprocess
import sys
from pathlib import Path

from convchoice.config.validation import PROJECT_ROOT
from convchoice.execution.tracking import open_mlflow
from convchoice.tracking.labels import Kind
from mlflows_warnings import MLFLOWS_WARNINGS

pytestmark = MLFLOWS_WARNINGS
KILLED_AT_A_MIGRATION = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from convchoice.execution.tracking import open_mlflow

def stop(*of_the_statement):
    if "CREATE TABLE datasets" in of_the_statement[2]:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "after_cursor_execute", stop)
folder = Path(sys.argv[1])
open_mlflow(f"sqlite:///{folder}/mlflow.db", "convchoice", folder, machine=False)
"""


def test_a_store_whose_making_was_killed_is_made_by_the_next_start(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "src")}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AT_A_MIGRATION, str(tmp_path)], env=environment, check=False
    )
    assert killed.returncode == -9
    assert not (tmp_path / "mlflow.db").exists()
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    store = open_mlflow(uri, "convchoice", tmp_path, machine=False).store
    run_id = store.create("max/seed-0", Kind.run, {}, {})
    again = open_mlflow(uri, "convchoice", tmp_path, machine=False).store
    assert again.run(run_id) is not None
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", ".mlflow.db.lock"}
