"""Which of the project's modules a module needs, read from its imports, lazy ones included."""

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "convchoice"


def path_of(module: str) -> Path:
    """The file of a module that is named without the package's name."""
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py")


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _nodes(tree: ast.AST, *, runtime: bool) -> list[ast.AST]:
    found = []
    for child in ast.iter_child_nodes(tree):
        if runtime and _is_type_checking(child):
            continue
        found.append(child)
        found.extend(_nodes(child, runtime=runtime))
    return found


def _top_level(tree: ast.Module) -> list[ast.AST]:
    return [node for node in tree.body if not _is_type_checking(node)]


def imported_names(module: str, *, lazy: bool = True) -> set[str]:
    """Dotted names that `module` of the package imports.

    Args:
        module: without the package's name: `sizes.axes`, `train`.
        lazy: also those inside functions, which are imported only when they run.
    """
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in _nodes(tree, runtime=True) if lazy else _top_level(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def direct_modules(module: str, *, lazy: bool = True) -> set[str]:
    """Modules of the package that `module` imports itself."""
    candidates = {
        name.removeprefix("convchoice.")
        for name in imported_names(module, lazy=lazy)
        if name.startswith("convchoice.")
    }
    return {name for name in candidates if path_of(name).is_file()}


@cache
def needed_modules(module: str, *, lazy: bool = True, without: str = "") -> frozenset[str]:
    """`module`, the package's own `__init__` and its needs, and all that these import in turn.

    Args:
        module: without the package's name.
        lazy: also what is imported inside functions.
        without: a package that is left out, with all that it alone needs.
    """
    needed: set[str] = set()
    waiting = {module, "__init__"}
    while waiting:
        current = waiting.pop()
        needed.add(current)
        found = direct_modules(current, lazy=lazy) - needed
        waiting |= {name for name in found if not without or package_of(name) != without}
    return frozenset(needed)


def all_modules() -> list[str]:
    """Every module, without the package's name; packages' own `__init__`s hold but a docstring."""
    paths = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(path.parts) for path in paths if path.stem != "__init__")


def package_of(module: str) -> str:
    """`sizes` for `sizes.axes`; nothing for a module at the top."""
    return module.rpartition(".")[0]
