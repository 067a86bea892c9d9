"""Read and write YAML files that hold one mapping of plain values.

Refuses what YAML allows but a configuration never needs: tags, repeated keys, many references, and
files of more than `LARGEST` bytes.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from convchoice.errors import UserError, shortened

LARGEST = 2**20
"""Bytes of a file that is read; the largest file of this project has 10 kB."""
MOST_REFERENCES = 20
"""A few dozen references to references would expand to a billion values."""


class _Loader(yaml.SafeLoader):
    """Plain values only: no tags, no repeated keys, few references."""

    references = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self.references += 1
            if self.references > MOST_REFERENCES:
                raise _refused(f"more than {MOST_REFERENCES} references", event)
        elif getattr(event, "tag", None) not in {None, "!"}:
            raise _refused(f"the tag {shortened(event.tag)} is not allowed", event)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        seen = set()
        for key in keys:
            if key.value in seen:
                raise _refused(f"the key {shortened(key.value)} is there twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refused(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: if the file does not exist, is larger than `LARGEST`, is not YAML, has tags,
            repeated keys or more than `MOST_REFERENCES` references, or holds no mapping.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: is larger than {LARGEST:,} bytes.")
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file.") from None
    except RecursionError:
        raise UserError(f"{path}: is not valid YAML: it is nested too deeply.") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # ValueError: a thirteenth month
        raise UserError(f"{path}: is not valid YAML: {_problem(error)}.") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold a mapping of keys to values.")
    return values


def _problem(error: Exception) -> str:
    """What the parser objects to, in one line, with line and column if they are known."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{problem}"


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.2, which DVC reads, takes for a number: ``1e-3``."""


NUMBER_IN_YAML_1_2 = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|0o[0-7]+|0x[\da-fA-F]+")


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if NUMBER_IN_YAML_1_2.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def yaml_text(values: Mapping[str, Any]) -> str:
    """Plain values as YAML, keys in their order; equal values give equal text."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def yaml_line(value: Any) -> str:
    """A plain value as YAML on one line."""
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, width=float("inf"), allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")
