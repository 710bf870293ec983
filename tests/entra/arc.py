"""arc.py - Azure Arc's proof of access to the machine: a key in a file that only the right accounts can read.

The first request is answered with the file's path, the second brings its content.  A test can have the path or the
file made wrong, in ways that an impostor on the port might: a client that sends such a key was fooled, and is counted.
"""

import contextlib
import os
import secrets
import threading
import uuid

LARGEST = 4096                                     # octets of a key file


class Keys:
    """The challenges that are open, and the files made for them."""

    def __init__(self, home, journal):
        self._elsewhere, self._journal = home / "arc-elsewhere", journal
        self._lock = threading.Lock()
        self._open = {}                            # content: (path, is its challenge a good one?)
        self._made = []                            # files and directories, in this order

    def challenge(self, kind, folder):
        """Make a key.  Returns what WWW-Authenticate says, None for nothing.  Raises OSError."""
        with self._lock:
            self._make_folder(folder)
            return KINDS[kind](self, folder)

    def redeem(self, authorization):
        """What an Authorization header brings: "good" (works once), "fooled", or None, no key of ours."""
        scheme, _, content = (authorization or "").partition(" ")
        with self._lock:
            if scheme != "Basic" or content not in self._open:
                return None
            path, good = self._open[content]
            if good:
                del self._open[content]
                path.unlink(missing_ok=True)
            return "good" if good else "fooled"

    def close(self):
        """Remove what was made."""
        with self._lock:
            for path in reversed(self._made):
                with contextlib.suppress(OSError):
                    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    # What challenges are made of

    def _make_folder(self, folder):
        new = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        self._made += reversed(new)

    def file(self, path, good=False, content=None):
        """A key file; returns its path."""
        content = secrets.token_urlsafe(96) if content is None else content
        self._make_folder(path.parent)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w", encoding="ascii") as file:
            file.write(content)
        self._made.append(path)
        if content:
            self._open[self._journal.issued(content)] = (path, good)
        return path

    def elsewhere(self):
        return self.file(self._elsewhere / name())

    def dot_dot(self, folder):
        """An absolute path that starts with the right directory and leaves it again."""
        return os.path.join(folder, os.path.relpath(self.elsewhere(), os.path.realpath(folder)))

    def symlink(self, folder):
        return self.other(folder, lambda path: path.symlink_to(self.elsewhere()))

    def other(self, folder, make):
        """Something that has the right name and is no regular file."""
        path = folder / name()
        make(path)
        self._made.append(path)
        return path


def name(ending="key"):
    return f"{uuid.uuid4()}.{ending}"


def realm(path):
    return f"Basic realm={path}"


def filled(octets):
    return secrets.token_hex(octets // 2 + 1)[:octets]


# kind: function (keys, folder) -> value of WWW-Authenticate
KINDS = {
    "good": lambda keys, folder: realm(keys.file(folder / name(), good=True)),
    "quoted": lambda keys, folder: f'Basic realm="{keys.file(folder / name(), good=True)}"',
    "largest": lambda keys, folder: realm(keys.file(folder / name(), good=True, content=filled(LARGEST))),
    "too_large": lambda keys, folder: realm(keys.file(folder / name(), content=filled(LARGEST + 1))),
    "outside": lambda keys, folder: realm(keys.elsewhere()),
    "subdirectory": lambda keys, folder: realm(keys.file(folder / "below" / name())),
    "dot_dot": lambda keys, folder: realm(keys.dot_dot(folder)),
    "relative": lambda keys, folder: realm(keys.file(folder / name()).name),
    "not_key": lambda keys, folder: realm(keys.file(folder / f"secret-{name('txt')}")),
    "symlink": lambda keys, folder: realm(keys.symlink(folder)),
    "missing": lambda keys, folder: realm(folder / name()),
    "empty": lambda keys, folder: realm(keys.file(folder / name(), content="")),
    "directory": lambda keys, folder: realm(keys.other(folder, os.mkdir)),
    "fifo": lambda keys, folder: realm(keys.other(folder, os.mkfifo)),
    "no_header": lambda keys, folder: None,
    "other_scheme": lambda keys, folder: f"Bearer realm={keys.file(folder / name())}",
    "no_realm": lambda keys, folder: "Basic",
    "never": lambda keys, folder: realm(keys.file(folder / name())),
}
