"""Read and write YAML files that hold one mapping of plain values.

Refuses what YAML allows but a configuration never needs: tags, references, repeated keys, and files
of more than `LARGEST` bytes. Numbers are those of YAML 1.2, which DVC reads: ``1e-3`` is one.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from convchoice.errors import UserError, shortened

LARGEST = 2**20
"""Bytes of a file that is read; the largest file of this project has 10 kB."""
NUMBER = re.compile(r"^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$")


class _Loader(yaml.SafeLoader):
    """Plain values only: no tags, no references, no repeated keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused(f"the reference {shortened(event.anchor)} is not allowed", event)
        if getattr(event, "tag", None) not in {None, "!"}:
            raise _refused(f"the tag {shortened(event.tag)} is not allowed", event)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise _refused(f"the key {shortened(key.value)} is there twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes text that is a number in YAML 1.2."""


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("^0o[0-7]+$"), ["0"])


def _refused(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: if the file does not exist, is larger than `LARGEST`, is not YAML, has tags,
            references or repeated keys, or holds no mapping.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: is larger than {LARGEST:,} bytes.")
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file.") from None
    except RecursionError:
        raise UserError(f"{path}: is not valid YAML: it is nested too deeply.") from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        # ValueError: a thirteenth month; TypeError: a list as a key.
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


def yaml_text(values: Mapping[str, Any]) -> str:
    """Plain values as YAML, keys in their order; equal values give equal text."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def yaml_line(value: Any) -> str:
    """A plain value as YAML on one line."""
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, width=float("inf"), allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")
