"""YAML files: anything but a mapping of plain values is refused with one short error."""

import pytest
import yaml
from ruamel.yaml import YAML

from convchoice.config.yaml_files import read_yaml, yaml_line, yaml_text
from convchoice.errors import UserError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "is not valid YAML: line 1, column 5: "),
        ("- 1", "must hold a mapping"),
        (b"\xff\xfe\x00", "is not valid YAML"),
        ("a: b\0", "is not valid YAML"),
        ("a: \x1b[31m", "is not valid YAML"),
        ("seeds: 1\nseeds: 2", "line 2, column 1: the key 'seeds' is there twice"),
        ("a: 2001-99-99", "month must be in"),
        ("a: 0b_", "is not valid YAML"),
        ("? [1]\n: 2", "is not valid YAML"),
        ("a: " + "[" * 3000, "nested too deeply"),
        ("a: " + "9" * 5000, "is not valid YAML"),
        ("a: " + "x" * 2**20, r"is larger than 1,048,576 bytes"),
        ("a: &a [x]\nb: *a", r"line 2, column 4: the reference 'a' is not allowed"),
        ("a: !!python/object/apply:os.system [x]", r"the tag '.*os\.system' is not allowed"),
        ("a: !!timestamp foo", r"the tag 'tag:yaml\.org,2002:timestamp' is not allowed"),
        ('a: !!int ""', "is not allowed"),
        ("!!map {a: 1}", "is not allowed"),
        (f"a: !!{'x' * 9000} 1", "is not allowed"),
    ],
)
def test_anything_but_plain_values_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "arm.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as refused:
        read_yaml(path)
    text = str(refused.value).removeprefix(str(path))
    assert "\n" not in text
    assert len(text) < 300


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"missing\.yaml: there is no such file"):
        read_yaml(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    "name", ["1e-3", "1e3", ".5", "1.", "0o17", "null", "true", "on", "12", "a: b", "2001-01-01"]
)
def test_a_name_stays_text_in_yaml_1_1_and_1_2(name):
    """PyYAML reads YAML 1.1, DVC (ruamel) 1.2: ``1e-3`` is a number in the latter only."""
    for text in (yaml_text({"arm": name}), f"arm: {yaml_line(name)}"):
        assert yaml.safe_load(text) == {"arm": name}
        assert YAML(typ="safe").load(text) == {"arm": name}
    assert yaml_line([name, "max"]).startswith("[")
