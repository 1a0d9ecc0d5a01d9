"""Files that are replaced as a whole: a full disk, or the end of the process, leaves what was there."""

import os
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


def checked(path):
    """Return an absolute path; raise unless it can be that of a file."""
    path = Path(path).resolve()
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path.parent)!r}: make it, or choose another path")
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder: give the path of a file")
    return path


@contextmanager
def replacing(path):
    """Open a file beside `path`, in binary mode, that takes its place once it is written to the end."""
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
