"""Imports between the project's modules, read from their source.

In functions and results `runs.run` is `convchoice.runs.run`, and `__init__` is `convchoice` itself.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx as nx

SOURCE = Path(__file__).resolve().parents[1] / "src"
PACKAGE = "convchoice"


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


PATHS = {_module_name(path): path for path in SOURCE.rglob("*.py")}
"""The file of every module and package, by its full dotted name."""


def full_name(module: str) -> str:
    """`convchoice.runs.run` for `runs.run`."""
    return PACKAGE if module == "__init__" else f"{PACKAGE}.{module}"


def package_of(module: str) -> str:
    """`runs` for `runs.run`; empty for a module of the top level."""
    return module.rpartition(".")[0]


def all_modules() -> list[str]:
    """Every module that is not a package's `__init__`."""
    names = (name for name, path in PATHS.items() if path.stem != "__init__")
    return sorted(n.removeprefix(f"{PACKAGE}.") for n in names if n.startswith(PACKAGE))


def _nodes(tree: ast.AST, *, lazy: bool, typing: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and not lazy:
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not typing:
            continue
        yield node
        yield from _nodes(node, lazy=lazy, typing=typing)


def imported_names(full: str, *, lazy: bool = True, typing: bool = False) -> set[str]:
    """Dotted names that a module imports.

    Args:
        full: full name of the module.
        lazy: whether imports inside functions count.
        typing: whether imports for type checking count.
    """
    names: set[str] = set()
    tree = ast.parse(PATHS[full].read_text())
    for node in _nodes(tree, lazy=lazy, typing=typing):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@cache
def import_graph(*, lazy: bool = True, typing: bool = True) -> nx.DiGraph:
    """An edge from each module to each module that it imports, and to the packages of that one."""
    graph = nx.DiGraph()
    graph.add_nodes_from(PATHS)
    for name in PATHS:
        for needed in imported_names(name, lazy=lazy, typing=typing):
            parts = needed.split(".")
            prefixes = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
            graph.add_edges_from((name, each) for each in prefixes if each in PATHS)
    # A package's `__init__` runs before its modules: an import of it from within is no cycle.
    graph.remove_edges_from([(a, b) for a, b in graph.edges if f"{a}.".startswith(f"{b}.")])
    return graph


def cycles() -> list[str]:
    """Sets of modules that import one another, inside functions and for type checking too."""
    components = nx.strongly_connected_components(import_graph())
    return [" ".join(sorted(each)) for each in components if len(each) > 1]


def needed_modules(module: str, *, lazy: bool = True, without: str = "") -> set[str]:
    """A module and all that it imports, directly or not.

    Args:
        module: its name.
        lazy: whether imports inside functions count.
        without: a package that is left out, with all that it alone needs.
    """
    left_out = [name for name in PATHS if without and name.startswith(full_name(without))]
    graph = nx.restricted_view(import_graph(lazy=lazy, typing=False), left_out, [])
    starts = (full_name(module), PACKAGE)
    needed = set(starts).union(*(nx.descendants(graph, start) for start in starts))
    modules = {name for name in needed if PATHS[name].stem != "__init__"} - {PACKAGE}
    return {"__init__", *(name.removeprefix(f"{PACKAGE}.") for name in modules)}


def direct_modules(module: str) -> set[str]:
    """The modules that a module itself imports."""
    found = import_graph(typing=False).successors(full_name(module))
    return {n.removeprefix(f"{PACKAGE}.") for n in found if PATHS[n].stem != "__init__"}
