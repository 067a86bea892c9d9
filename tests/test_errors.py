"""Errors for users: short, on one line, without credentials and terminal control sequences."""

import errno

import pytest

from convchoice import errors
from convchoice.errors import (
    ConfigurationError,
    JobError,
    StorageError,
    UserError,
    did_you_mean,
    exit_codes,
    install_extra,
    is_circular_link,
    nearest,
    shortened,
    storage_error,
    storing_in,
    without_password,
)

HOSTILE = {
    "long text": "x" * 10**7,
    "long number": 10**400,
    "longer number": -(10**5000),
    "list": ["y" * 100] * 1000,
    "nested": {"k" * 500: [[[[[[[[1]]]]]]]]},
    "escape sequence": "\x1b]0;title\x07",
    "bytes": b"\x1b" * 1000,
    "right to left": "\u202eabc",
    "line ends": {"a\x1b": "\r\n"},
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_value_is_short_and_printable(value):
    text = shortened(value)
    assert len(text) <= 120
    assert text.isprintable()
    assert str(ConfigurationError("key", value, "is wrong.")) == f"key = {text}: is wrong."


@pytest.mark.parametrize("value", ["max", 3, -0.5, None, True, [3, 5], {"a": 1}, "µ"])
def test_a_usual_value_is_as_python_writes_it(value):
    assert shortened(value) == repr(value)


def test_an_error_cannot_drive_the_terminal(capsys):
    with pytest.raises(SystemExit, match="2"), exit_codes():
        raise ConfigurationError("conf/\x1b[2J.yaml", 1, "is\tnot\x9b\nlegal.")
    assert capsys.readouterr().err == "error: conf/\\x1b[2J.yaml = 1: is\\tnot\\x9b\nlegal.\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UserError("wrong"), 2),
        (JobError("seed 1 failed"), 1),
        (PermissionError(13, "Permission denied", "runs"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_status_tells_wrong_input_from_a_failed_job(error, status):
    with pytest.raises(SystemExit) as ended, exit_codes():
        raise error
    assert ended.value.code == status


def test_a_misspelling_is_answered_with_the_nearest_choice():
    assert nearest("averge", ["max", "average"]) == "Did you mean average? Legal: average, max."
    assert nearest("zzz", ["max", "average"]) == "Legal: average, max."
    assert nearest("F1", ["model", "f1"]) == "Did you mean f1? Legal: f1, model."


def test_of_a_key_whose_group_is_right_the_last_part_is_compared():
    keys = ["conv.padding", "conv.kernel_size", "optimizer.learning_rate", "conv"]
    assert did_you_mean("conv.dilation", keys) == ""
    assert did_you_mean("conv.kernal_size", keys) == "Did you mean conv.kernel_size?"
    assert did_you_mean("cnv.padding", keys) == "Did you mean conv.padding?"
    assert did_you_mean("optimiser.learning_rate", keys) == "Did you mean optimizer.learning_rate?"
    assert did_you_mean(5, keys) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:secret@host:5000/path", "http://***@host:5000/path"),
        ("postgresql+psycopg2://u:SECRET@db/mlflow", "postgresql+psycopg2://***@db/mlflow"),
        ("s3://key:secret@bucket", "s3://***@bucket"),
        ("https://user@host", "https://***@host"),
        ("//user:secret@host", "//***@host"),
        ("first http://a:secret@one, then HTTP://b:secret@two.", "first http://***@one, then HTTP://***@two."),
        ("http://a:secret@one,ftp://b:secret@two", "http://***@one,ftp://***@two"),
        # Malformed: characters in the password that have to be quoted, slashes that are missing.
        ("http://user:se@cret@host", "http://***@host"),
        ("http://user:sec/r?e#t@host/path", "http://***@host/path"),
        ("http:/user:secret@host", "http:/***@host"),
        ("http:user:secret@host", "http:***@host"),
        ("http://:secret@", "http://***@"),
        ("postgresql://db/m?user=u&password=secret&sslmode=off", "postgresql://db/m?user=u&password=***&sslmode=off"),
        ("https://host/file?X-Amz-Signature=secret", "https://host/file?X-Amz-Signature=***"),
        # Nothing to hide.
        ("http://127.0.0.1:5000/api", "http://127.0.0.1:5000/api"),
        ("sqlite:////home/me/mlflow.db", "sqlite:////home/me/mlflow.db"),
        ("models:/convchoice-pooling@champion", "models:/convchoice-pooling@champion"),
        ("mail me@example.org about a // b", "mail me@example.org about a // b"),
    ],
)  # fmt: skip
def test_credentials_of_every_url_in_a_text_are_hidden(text, shown):
    assert without_password(text) == shown
    assert "secret" not in shown.lower()
    assert without_password(shown) == shown


def test_a_shown_value_has_no_credentials():
    for value in ("http://u:secret@host", "http://u:" + "secret" * 500 + "@host", ["//u:secret@h"]):
        assert "secret" not in str(ConfigurationError("tracking.uri", value, "is wrong."))


def test_an_error_of_storage_is_whole_sentences():
    error = storage_error(OSError(errno.ENOTDIR, "Not a directory", "/dev/null/x"))
    assert str(error) == (
        "/dev/null/x: Not a directory. Existing results are unchanged. Fix the problem and rerun"
        " the command."
    )


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    rule = r": File exists\. A file, or a link that leads nowhere, is in its place\. "
    with pytest.raises(StorageError, match=rule), storing_in(tmp_path):
        (tmp_path / "link" / "runs").mkdir(parents=True)


def test_a_link_that_leads_to_itself_is_named(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    rule = r": Too many .*\. A symbolic link there leads to itself\. Remove it or use another "
    with pytest.raises(StorageError, match=rule), storing_in(tmp_path):
        (tmp_path / "loop" / "runs").mkdir(parents=True)
    assert is_circular_link(str(tmp_path / "loop" / "runs"))
    assert not any(map(is_circular_link, [str(tmp_path), str(tmp_path / "nowhere"), "x" * 9_999]))


@pytest.mark.parametrize(
    ("in_clone", "command"),
    [
        (True, 'Install it: pip install -c constraints.txt -e ".[search]"'),
        (False, 'Install it: pip install "convchoice[search]"'),
    ],
)
def test_an_extra_is_installed_as_the_package_is(in_clone, command, monkeypatch):
    monkeypatch.setattr(errors, "IN_CLONE", in_clone)
    assert install_extra("search") == command
