"""Messages never hold credentials."""

import pytest

from convchoice.errors import without_password


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
def test_credentials_of_every_url_in_a_text_are_hidden(text: str, shown: str) -> None:
    assert without_password(text) == shown
    assert "secret" not in shown.lower()
    assert without_password(shown) == shown
