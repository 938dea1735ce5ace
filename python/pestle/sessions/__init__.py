"""Conversations on disk, with the keys and values of what the model has read.

places        where sessions lie, their names, who has one open
fingerprint   what decides the numbers: the model's bytes, the options, the version
model_digest  the digest of a model's files, computed once for each
pages         keys and values in files that are never changed
saved         a session's own file, and what is kept of its memory from one save to the next
"""

from pestle.sessions.fingerprint import Fingerprint, fingerprint_of
from pestle.sessions.places import SessionEntry, SessionFolder, saved_sessions
from pestle.sessions.saved import RestoredSession, SavedSession, load, read, remove, require, save

__all__ = [
    "Fingerprint",
    "RestoredSession",
    "SavedSession",
    "SessionEntry",
    "SessionFolder",
    "fingerprint_of",
    "load",
    "read",
    "remove",
    "require",
    "save",
    "saved_sessions",
]
