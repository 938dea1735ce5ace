"""How much room is left."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

NO_SPACE = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG})
"""The numbers of errors that mean that a disk, a quota or a limit leaves no room."""


def free_space(folder: Path) -> int:
    """Bytes free for `folder`, which need not be there yet. Raises OSError."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), Path(os.curdir))
    return shutil.disk_usage(existing)[2]
