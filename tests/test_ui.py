"""`convchoice ui`: the link and MLflow's arguments; illegal ports and remote stores are refused.

`tests/tracking/test_servers.py` starts the real server.
"""

import re
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from convchoice.errors import UserError
from convchoice.ui import main
from mlflows_warnings import MLFLOWS_WARNINGS

pytestmark = MLFLOWS_WARNINGS


def test_prints_the_link_and_serves_on_a_free_port(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[list[str]] = []
    monkeypatch.setitem(sys.modules, "mlflow.cli", SimpleNamespace(cli=served.append))
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        used = str(listener.getsockname()[1])
        main(["--port", used])
    port = served[0][4]
    assert served == [["ui", "--host", "127.0.0.1", "--port", port, "--backend-store-uri", store]]
    link = f"http://127.0.0.1:{port}/#/experiments/1/runs?workflowType=machine_learning"
    printed = capsys.readouterr().out
    assert printed.startswith(f"port {used} is in use, so this is port {port}\n\n  {link}\n")
    main(["--port", port])
    assert served[1] == served[0]
    assert capsys.readouterr().out.startswith(f"\n  {link}\n")


@pytest.mark.parametrize(
    ("arguments", "store", "message"),
    [
        (["--port", "70000"], "", "--port = 70000: must be a number from 1 to 65535"),
        (["--port", "-1"], "", "--port = -1: must be"),
        ([], "http://me:secret@example.org", "http://***@example.org: the runs are on that server"),
    ],
)
def test_illegal_ports_and_remote_stores_are_refused(
    arguments: list[str], store: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with pytest.raises(UserError, match=re.escape(message)):
        main(arguments)
