"""How far a daemon has come in the relay's log, kept across restarts."""

from pathlib import Path

from ovro_alert.link.durable import replace


class Cursor:
    """A number in a file of its own; the directory is made where it is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> int:
        """The number last written, 0 before the first; ValueError where the file holds something else."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return 0
        text = data.strip()
        if not text.isdigit():  # ASCII digits only, so no sign
            raise ValueError(f"{self.path}: {data[:40]!r} is not a number; remove it to begin again")
        return int(text)

    def write(self, n: int) -> None:
        """Keep `n` durably; OSError where the disk refuses."""
        replace(self.path, b"%d\n" % n)
