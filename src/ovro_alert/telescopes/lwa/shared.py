"""Files for the scheduler, which reads them as another user: who may, whatever the umask of this process."""

from contextlib import suppress
from pathlib import Path
from stat import S_IMODE, S_IXOTH

ENTER, READ = 0o055, 0o044  # for the group and others; a folder that may be entered may be listed, too


def make_folder(folder: Path) -> None:
    """Makes a folder that all may enter, with those of its parents that are missing."""
    missing = [each for each in folder.parents if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in (*missing, folder):
        with suppress(PermissionError):  # it belongs to somebody else; `closed` finds out
            _allow(each, ENTER)


def open_file(path: Path) -> None:
    """Lets all read a file of ours; OSError where it cannot be."""
    _allow(path, READ)


def closed(folder: Path) -> Path | None:
    """Which folder keeps other users from the files in `folder`: it or one above it; None where none does.

    What is not there yet keeps nobody, and the root is not looked at: who may not enter that may do nothing
    at all, as in containers that have one user only.
    """
    folder = folder.resolve()
    for each in (*reversed(folder.parents[:-1]), folder):
        if each.exists() and not each.stat().st_mode & S_IXOTH:
            return each
    return None


def _allow(path: Path, bits: int) -> None:
    mode = S_IMODE(path.stat().st_mode)
    if mode & bits != bits:
        path.chmod(mode | bits)
