"""Writing files: whole or not at all, and never over those of a user.

A folder that a user names as an output may hold files of their own. `write_output` replaces or
removes a file only if the folder's manifest lists it with the SHA-256 that it still has. Any other
file of the same name is refused before anything is written. Never imports torch.
"""

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from convchoice.errors import StorageError, UserError, storing_in

MANIFEST = ".convchoice.json"


def replace_files(folder: Path, contents: Mapping[str, str | bytes]) -> None:
    """Write files of a folder atomically, replacing those of the same name.

    All are written to temporary files first, so that a full disk changes nothing.

    Raises:
        StorageError: naming the folder and what to do.
    """
    with storing_in(folder):
        temporary: dict[Path, Path] = {}
        try:
            for name, content in contents.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary[path] = path.with_name(f".{path.name}.{os.getpid()}")
                data = content.encode() if isinstance(content, str) else content
                temporary[path].write_bytes(data)
            for path, written in temporary.items():
                written.replace(path)
        finally:
            for written in temporary.values():
                written.unlink(missing_ok=True)


def read_manifest(folder: Path) -> dict[str, list[str]]:
    r"""The files that convchoice has written into a folder: their SHA-256 by relative POSIX path.

    Line ends count as ``\n``, because git may convert them at checkout. A file has two digests
    while it is being replaced: a killed process leaves one or the other.

    Returns:
        An empty mapping for a folder without a manifest.

    Raises:
        UserError: if the manifest is damaged or names a path outside the folder.
    """
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        legal = all(_is_inside(name) and isinstance(found, list) for name, found in files.items())
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path}: cannot be read as a manifest ({type(error).__name__})."
            " Choose another output folder."
        ) from error
    if not legal:
        raise UserError(f"{path}: names a path outside its folder. Choose another output folder.")
    return dict(files)


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return name != "" and not path.is_absolute() and ".." not in path.parts and "\\" not in name


def _write_manifest(folder: Path, files: Mapping[str, Collection[str]]) -> None:
    content = {"written_by": "convchoice", "files": dict(sorted(files.items()))}
    replace_files(folder, {MANIFEST: json.dumps(content, indent=1) + "\n"})


def _is_ours(folder: Path, name: str, files: Mapping[str, Collection[str]]) -> bool:
    """Whether a file has content that the manifest records for it."""
    path = folder / name
    linked = any(each.is_symlink() for each in (path, *path.parents) if each.is_relative_to(folder))
    if name not in files or linked or not path.is_file():
        return False
    return _sha256(path.read_bytes().replace(b"\r\n", b"\n")) in files[name]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def changed_files(folder: Path) -> list[str]:
    """The files that convchoice has written into a folder and that are missing or changed."""
    files = read_manifest(folder)
    return [name for name in sorted(files) if not _is_ours(folder, name, files)]


def check_output(folder: Path, names: Collection[str], kind: str = "") -> None:
    """Refuse an output that would replace a file that convchoice did not write.

    Args:
        folder: of the output; it need not exist.
        names: of its files.
        kind: a file that every output of this kind has; another kind would be removed.

    Raises:
        UserError: naming the first file that exists and is not listed with its present content, or
            one of an output of another kind.
        StorageError: if `folder` exists and is not a folder.
    """
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder}: exists and is not a folder. Choose another output folder.")
    files = read_manifest(folder)
    if kind and files and kind not in files:
        other = f"holds another output ({next(iter(files))}), which would be removed."
        raise UserError(f"{folder}: {other} Choose another folder.")
    for name in sorted(names):
        path = folder / name
        if (path.exists() or path.is_symlink()) and not _is_ours(folder, name, files):
            changed = "was changed after convchoice wrote it"
            reason = changed if name in files else "was not written by convchoice"
            raise UserError(f"{path}: {reason}. Move or delete it, or choose another folder.")


def write_output(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the files of an output and remove those of the previous one that it no longer has.

    Raises:
        UserError: see `check_output`; nothing is written then.
        StorageError: if a file cannot be written.
    """
    check_output(folder, texts)
    before = read_manifest(folder)
    after = {name: [_sha256(text.encode())] for name, text in texts.items()}
    both = {name: before.get(name, []) + after.get(name, []) for name in before | after}
    _write_manifest(folder, both)
    replace_files(folder, texts)
    for name in before.keys() - after.keys():
        if _is_ours(folder, name, before):
            (folder / name).unlink()
    _write_manifest(folder, after)
