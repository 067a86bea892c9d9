"""`convchoice ui`: the page behind the link, ports, and what is refused."""

import os
import re
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from chromium import CHROMIUM, open_in_chromium
from convchoice.commands.ui import main
from convchoice.config.schema import TrackingConfig
from convchoice.errors import JobError, UserError
from convchoice.tracking.mlflow_entry import NOTE
from convchoice.tracking.mlflow_store import MlflowStore
from convchoice.tracking.publish import publish
from convchoice.tracking.saved_views import experiment_tags
from made_up_runs import make_run
from mlflows_warnings import MLFLOWS_WARNINGS
from servers import free_port

pytestmark = MLFLOWS_WARNINGS


def test_a_free_port_is_found_and_a_server_that_does_not_start_is_an_error(
    tmp_path, capsys, monkeypatch
):
    served: list[list[str]] = []
    cli = SimpleNamespace(cli=lambda arguments, **_: served.append(arguments))
    monkeypatch.setitem(sys.modules, "mlflow.cli", cli)
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    opened = MlflowStore(TrackingConfig())
    opened.client.set_experiment_tag(opened.experiment_id, NOTE, "of an earlier version")
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "true")  # restored by the fixture
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        used = str(listener.getsockname()[1])
        with pytest.raises(JobError, match="has ended before it responded"):
            main(["--port", used])
    port = served[0][4]
    assert served[0][:5] == ["ui", "--host", "127.0.0.1", "--port", port]
    assert store in served[0]
    assert os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert opened.client.get_experiment(opened.experiment_id).tags == experiment_tags()
    assert capsys.readouterr().out.startswith(f"port {used} is in use, so this is port {port}\n")


def test_a_store_that_does_not_exist_is_not_created(tmp_path, monkeypatch):
    for store in (f"sqlite:///{tmp_path / 'none'}", str(tmp_path / "none")):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
        with pytest.raises(UserError, match="none: there is no such MLflow store"):
            main([])
    assert not list(tmp_path.iterdir())


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
def test_the_printed_link_shows_the_arms_with_accuracy_and_costs_and_charts_in_order(tmp_path):
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    environment = {"MLFLOW_TRACKING_URI": store, "MLFLOW_EXPERIMENT_NAME": "convchoice"}
    for seed in (0, 1):
        publish(make_run(tmp_path / "runs", "max", seed), TrackingConfig(uri=store))
    command = [sys.executable, "-m", "convchoice", "ui", "--port", str(free_port())]
    with subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    ) as server:  # fmt: skip
        try:
            assert server.stdout
            link = next(line.strip() for line in server.stdout if "http://127.0.0.1" in line)
            wide = ("--virtual-time-budget=30000", "--window-size=2400,900")
            page = open_in_chromium(link, tmp_path / "profile", *wide).stdout
            charts = f"{link}&compareRunsMode=CHART"
            drawn = open_in_chromium(charts, tmp_path / "profile", *wide).stdout
        finally:
            os.killpg(server.pid, signal.SIGKILL)
    rows = set(re.findall(r"<a[^>]*/runs/[^>]*>(?:<[^>]*>)*([^<]+)", page))
    assert rows == {"max"}
    for column in ("test/accuracy", "test/nll", "cost/parameters", "cost/macs"):
        assert f">{column}<" in page
    titles = re.findall(r">((?:test|val|train|cost)(?:/\w+)?)(?: \(|<)", drawn)
    start = titles.index("test")  # before it are the table's columns
    assert titles[start : start + 3] == ["test", "test/accuracy", "test/nll"]
    assert [title for title in titles if "/" not in title] == ["test", "val", "train", "cost"]


@pytest.mark.parametrize(
    ("arguments", "store", "message"),
    [
        (["--port", "70000"], "", "--port = 70000: must be a number from 1 to 65535"),
        (["--port", "-1"], "", "--port = -1: must be"),
        ([], "http://me:secret@example.org", "http://***@example.org: the runs are on that server"),
    ],
)
def test_illegal_ports_and_remote_stores_are_refused(arguments, store, message, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with pytest.raises(UserError, match=re.escape(message)):
        main(arguments)
