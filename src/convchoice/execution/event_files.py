"""Events by way of files: what a job tells on another machine, heard where its books are kept.

A line of JSON an event, in a file a job, on the disk that the machines share. The file is opened
for every line and for every look: that is when a network's file system brings them up to date.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from convchoice.runs.events import Advanced, Ended, EpochEnded, Event, Started

KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Started, Advanced, EpochEnded, Ended)
}
KIND = "event"


def told(event: Event) -> str:
    """An event as a line, without its end."""
    return json.dumps({KIND: type(event).__name__, **asdict(event)})


def heard(line: str) -> Event | None:
    """The event of a line; None for one that its writer did not live to finish."""
    try:
        values = json.loads(line)
        return KINDS[values.pop(KIND)](**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True)
class EventWriter:
    """Writes a job's events down; a job that begins once more goes on in the same file.

    Attributes:
        path: of the file.
    """

    path: Path

    def begin(self) -> None:
        """End the line in the midst of which a former start of the job was killed."""
        self._append("\n")

    def hear(self, event: Event) -> None:
        """Write one event down.

        Raises:
            OSError: if the file's folder is gone, as after the end of whoever reads it, or full.
        """
        self._append(f"{told(event)}\n")

    def _append(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)


@dataclass
class EventReader:
    """Reads what jobs have written down since the last look.

    Attributes:
        folder: of the jobs' files.
    """

    folder: Path
    _read: dict[str, int] = field(default_factory=dict)

    def news(self) -> Iterator[Event]:
        """The events of all lines that are whole by now, each job's in their order."""
        # The folder is listed, for a network's file system remembers long what did not exist.
        for path in sorted(self.folder.iterdir()):
            for line in self._whole_lines(path):
                event = heard(line)
                if event is not None:
                    yield event

    def _whole_lines(self, path: Path) -> list[str]:
        with path.open("rb") as file:
            file.seek(self._read.get(path.name, 0))
            whole = file.read()
        whole = whole[: whole.rfind(b"\n") + 1]
        self._read[path.name] = self._read.get(path.name, 0) + len(whole)
        return whole.decode("utf-8", errors="replace").splitlines()
