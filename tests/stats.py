"""Size and structure of the code: `make stats`.

Prints modules, lines of source and tests, the longest modules and functions, and import cycles.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

from imports import SOURCE, cycles

TESTS = Path(__file__).parent
SHOWN = 5


def lines(path: Path) -> int:
    """Number of lines of a file."""
    return len(path.read_text().splitlines())


def functions(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and name of every function and method."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{path.name}: {node.name}"


def print_largest(title: str, items: Iterable[tuple[int, str]]) -> None:
    """Print the largest of some items, with their lines."""
    for count, name in sorted(items, reverse=True)[:SHOWN]:
        print(f"  {count:>5}  {title}  {name}")


def main() -> None:
    """Print the figures."""
    source = sorted(SOURCE.rglob("*.py"))
    modules = [(lines(path), str(path.relative_to(SOURCE))) for path in source]
    source_lines = sum(count for count, _ in modules)
    test_lines = sum(map(lines, TESTS.rglob("*.py")))
    lengths = [item for path in source for item in functions(path)]
    print(f"modules          {sum(path.name != '__init__.py' for path in source)}")
    print(f"lines of source  {source_lines:,}")
    print(f"lines of tests   {test_lines:,} ({test_lines / source_lines:.2f} per line of source)")
    print(f"functions        {len(lengths):,}, median {median(n for n, _ in lengths):.0f} lines")
    print_largest("lines, module", modules)
    print_largest("lines, function", lengths)
    found = cycles()
    print(f"import cycles    {len(found) or 'none'}")
    for cycle in found:
        print(f"  {cycle}")


if __name__ == "__main__":
    main()
