"""Size and structure of the code: `make stats`.

Prints modules, lines of source and tests, the longest modules and functions, and import cycles.
Imports inside functions and for type checking count too. `convchoice.a.b` also needs the `__init__`
of `convchoice` and of `convchoice.a`.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import networkx as nx

ROOT = Path(__file__).resolve().parents[1]
SHOWN = 5


def lines(path: Path) -> int:
    """Number of lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def functions(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and name of every function and method."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{path.name}: {node.name}"


def module_name(path: Path, source: Path) -> str:
    """The dotted name of a module."""
    return ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module


def import_graph(source: Path) -> nx.DiGraph:
    """An edge from each module to each module that it imports."""
    paths = {module_name(path, source): path for path in source.rglob("*.py")}
    graph = nx.DiGraph()
    graph.add_nodes_from(paths)
    for name, path in paths.items():
        for needed in imported(ast.parse(path.read_text(encoding="utf-8"))):
            parts = needed.split(".")
            prefixes = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
            graph.add_edges_from((name, each) for each in prefixes if each in paths)
    # A package's `__init__` runs before its modules: an import of it from within is no cycle.
    graph.remove_edges_from([(a, b) for a, b in graph.edges if a.startswith(f"{b}.") or a == b])
    return graph


def cycles(graph: nx.DiGraph) -> list[str]:
    """Sets of modules that import one another."""
    components = nx.strongly_connected_components(graph)
    return [" ".join(sorted(each)) for each in components if len(each) > 1]


def _print_largest(title: str, items: Iterable[tuple[int, str]]) -> None:
    for count, name in sorted(items, reverse=True)[:SHOWN]:
        print(f"  {count:>5}  {title}  {name}")


def main() -> None:
    """Print the figures."""
    source = sorted((ROOT / "src").rglob("*.py"))
    tests = sorted((ROOT / "tests").rglob("*.py"))
    modules = [(lines(path), str(path.relative_to(ROOT / "src"))) for path in source]
    source_lines, test_lines = sum(count for count, _ in modules), sum(map(lines, tests))
    lengths = [item for path in source for item in functions(path)]
    print(f"modules          {sum(path.name != '__init__.py' for path in source)}")
    print(f"lines of source  {source_lines:,}")
    print(f"lines of tests   {test_lines:,} ({test_lines / source_lines:.2f} per line of source)")
    print(f"functions        {len(lengths):,}, median {median(n for n, _ in lengths):.0f} lines")
    _print_largest("lines, module", modules)
    _print_largest("lines, function", lengths)
    found = cycles(import_graph(ROOT / "src"))
    print(f"import cycles    {len(found) or 'none'}")
    for cycle in found:
        print(f"  {cycle}")


if __name__ == "__main__":
    main()
