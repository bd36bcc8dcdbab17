"""The errors oddframe raises on purpose. Every message says what is wrong, where, and what to do about it.

The command line prints the message of an `OddframeError` as one line and exits with its `exit_status`; anything else
that escapes is a fault of oddframe itself and exits with 1.
"""

from __future__ import annotations


class OddframeError(Exception):
    """Base of all errors caused by input, configuration or environment rather than by a bug."""

    exit_status = 2


class InputError(OddframeError):
    """A path, option, label file or data set that cannot be used as given."""


class VideoError(InputError):
    """A video that cannot be opened or decoded; in a folder it is skipped and named, alone it is fatal."""


class RecipeError(InputError):
    """A recipe, preset or `--set` option that does not exist or has an impossible value."""


class BundleError(InputError):
    """A trained bundle or checkpoint that is missing, incomplete or made for something else."""


class TrainingError(OddframeError):
    """Training that cannot go on: the loss is no longer finite, for instance."""


class CalibrationError(OddframeError):
    """A threshold was asked for that the held-out normal video cannot support."""


class SpaceError(OddframeError):
    """Not enough disk space for what is about to be written; raised before anything is."""
