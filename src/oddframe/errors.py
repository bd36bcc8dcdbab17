"""The errors oddframe raises on purpose. Every message says what is wrong, where, and what to do about it.

The command line prints the message of an `OddframeError` as one line and exits with its `exit_status`. What becomes of
any other exception is decided in `oddframe.cli.faults`.
"""

from __future__ import annotations


class OddframeError(Exception):
    """Base of all errors that input, configuration or environment cause, rather than a bug."""

    exit_status = 2


class InputError(OddframeError):
    """A path, option, label file or data set that cannot be used as given."""


class VideoError(InputError):
    """A video that cannot be opened or decoded. In a folder it is skipped and reported; a single one is fatal."""


class RecipeError(InputError):
    """A recipe, preset or `--set` option that does not exist or has an impossible value."""


class BundleError(InputError):
    """A trained bundle or checkpoint that is missing, incomplete, or made for another purpose."""


class StoreError(InputError):
    """An event store that cannot be opened, read or written. What was reported as written stays written."""


class StoreRefusal(StoreError):
    """The event store is well, and refuses what it is asked to write: trying again does not help."""


class StoreMissing(StoreError):
    """The event store is well, and does not have the event, the camera or the zone that is asked for."""


class TrainingError(OddframeError):
    """Training cannot continue, for example because the loss is no longer finite."""


class CalibrationError(OddframeError):
    """The held-out normal video is too short for the requested threshold."""


class SpaceError(OddframeError):
    """There is not enough disk space. Where the need is known beforehand, it is raised before anything is written."""
