"""YAML files that hold one mapping, read without what a person cannot have meant."""

from pathlib import Path
from typing import Any

import yaml

from convchoice.errors import UserError

MOST_REFERENCES = 20


class _Loader(yaml.SafeLoader):
    """YAML without a key that stands twice, and with few references.

    Which of the two keys would be meant? And a few dozen references to references are a billion
    values.
    """

    references = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self.references += 1
            if self.references > MOST_REFERENCES:
                raise yaml.composer.ComposerError(
                    None, None, f"more than {MOST_REFERENCES} references", None
                )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for place, key in enumerate(names):
            if key.value in {other.value for other in names[:place]}:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping.

    Raises:
        UserError: if the file is missing, is not YAML, names a key twice, or holds no mapping.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe one
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file.") from None
    except RecursionError:
        raise UserError(f"{path}: is not YAML of any use: it is nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a thirteenth month, a bad byte
        raise UserError(f"{path}: is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold a mapping of keys to values.")
    return values
