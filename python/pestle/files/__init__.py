"""The one place that creates, replaces, locks and removes files and folders.

It removes only what this program has made and can prove it: by a name that holds a digest, by a
marker, or by device and inode of what was opened or made. What has our name and is something else
(a link, a pipe, a folder) is an error. Everything here raises OSError, with a reason for people.

identity    device and inode
opening     regular files, and nothing else
locking     locks among processes
temporary   files and folders for a moment, and what of them killed processes have left
placing     files that are there whole or not at all
owned       single files that are ours
folders     making folders, and removing those that were made
work        folders that a later run goes on with
space       how much room is left
"""

from pestle.files.folders import MadeFolder, make_folders, remove_if_empty, remove_made
from pestle.files.identity import Identity, identity_of, is_at, is_same, names_in, status_at
from pestle.files.locking import Lock, try_lock, wait_for_lock
from pestle.files.opening import read_bounded, reading, require_regular
from pestle.files.owned import (
    created,
    identity_of_open,
    make_private,
    opened,
    remove,
    remove_link,
    sync,
)
from pestle.files.placing import check_place, link_target, move, placed, point, sync_folder
from pestle.files.space import NO_SPACE, free_space
from pestle.files.temporary import is_temporary, remove_file, remove_leftovers, scratch_folder
from pestle.files.work import RESERVED, WorkFolder

__all__ = [
    "NO_SPACE",
    "RESERVED",
    "Identity",
    "Lock",
    "MadeFolder",
    "WorkFolder",
    "check_place",
    "created",
    "free_space",
    "identity_of",
    "identity_of_open",
    "is_at",
    "is_same",
    "is_temporary",
    "link_target",
    "make_folders",
    "make_private",
    "move",
    "names_in",
    "opened",
    "placed",
    "point",
    "read_bounded",
    "reading",
    "remove",
    "remove_file",
    "remove_if_empty",
    "remove_leftovers",
    "remove_link",
    "remove_made",
    "require_regular",
    "scratch_folder",
    "status_at",
    "sync",
    "sync_folder",
    "try_lock",
    "wait_for_lock",
]
