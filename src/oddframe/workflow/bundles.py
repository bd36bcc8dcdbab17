"""Versions of a bundle: which there are, where they come from, and which one is used.

A version is a folder, and every command takes the path of one. Who does not want to change commands and configurations
with every version names a link, `current`, instead. `use_bundle` points it to a version, and back to an earlier one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oddframe.errors import BundleError, InputError
from oddframe.places import CURRENT
from oddframe.workflow.bundle_facts import facts_of, is_bundle, iso_utc


@dataclass(frozen=True)
class BundleVersion:
    """A bundle among its versions.

    Attributes:
        path: its folder.
        id, model, recipe: of the bundle.
        parent: id of the bundle that it was made from; empty where there is none.
        made_utc: when it was written, in seconds since 1970.
        normal, abnormal: how many marks of each kind it has learned from since its parent.
        threshold: None where it has none yet.
        promise: what the threshold promises; empty without one.
        learned: what `learn` told: "steps", "split" and "too_few" as in `LearnResult.as_json`; None for other bundles.
        current: a link named `current` beside it points to it.
    """

    path: Path
    id: str
    model: str
    recipe: str
    parent: str
    made_utc: float
    normal: int
    abnormal: int
    threshold: float | None
    promise: str
    learned: dict[str, Any] | None
    current: bool

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "path": str(self.path), "made_utc": iso_utc(self.made_utc)}


def list_bundles(folder: Path, damaged: list[tuple[Path, str]] | None = None) -> list[BundleVersion]:
    """The bundles in a folder, those that come from others after them; a folder that is a bundle lists its neighbours.

    Args:
        damaged: as for `versions_of`.

    Raises:
        InputError: there is no such folder, no bundle in it, or a bundle or its calibration is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    here = folder.resolve().parent if is_bundle(folder) else folder
    found = versions_of((path for path in sorted(here.iterdir()) if not path.is_symlink()), damaged)
    if not found and not damaged:
        raise InputError(f"{folder}: holds no bundle; `oddframe fit` and `oddframe learn` make some")
    return found


def versions_of(paths: Iterable[Path], damaged: list[tuple[Path, str]] | None = None) -> list[BundleVersion]:
    """Those of these folders that are bundles, parents first, otherwise by their time.

    Args:
        damaged: takes the folders of damaged bundles, with a line each. None: the first one is an error.

    Raises:
        InputError: one of them or its calibration is damaged.
    """
    found: list[BundleVersion] = []
    for path in filter(is_bundle, paths):
        try:
            found.append(_version(path))
        except InputError as error:  # of the bundle, or of its calibration
            if damaged is None:
                raise
            damaged.append((path, str(error)))
    left = sorted(found, key=lambda one: (one.made_utc, str(one.path)))
    done: list[BundleVersion] = []
    while left:
        waiting = {one.id for one in left}
        ready = [one for one in left if one.parent not in waiting - {one.id}] or left
        done += ready
        left = [one for one in left if one not in ready]
    return done


def use_bundle(path: Path, link: Path | None = None) -> Path:
    """Let a link point to a bundle. Whoever opens the link from then on uses that bundle.

    Args:
        path: of the bundle.
        link: None: `current` in the folder that the bundle lies in.

    Returns:
        The link.

    Raises:
        BundleError: `path` is no bundle, or a damaged one.
        InputError: its calibration is damaged, something else lies where the link is to be, or links cannot be made
            there.
    """
    target = path.resolve()
    if not is_bundle(target):
        raise BundleError(f"{path}: not a bundle")
    facts_of(target)
    link = target.parent / CURRENT if link is None else link
    if link.exists() and not link.is_symlink():
        raise InputError(f"{link}: is not a link, and is left alone; name another place with --link")
    new = link.with_name(f".{link.name}.{os.getpid()}.new")
    try:
        new.symlink_to(os.path.relpath(target, link.absolute().parent.resolve()), target_is_directory=True)
        os.replace(new, link)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise InputError(f"{link}: a link cannot be made ({error.strerror}); give the path of the bundle") from error
    return link


def _version(path: Path) -> BundleVersion:
    facts, link = facts_of(path), path.resolve().parent / CURRENT
    taught = facts.data.taught
    return BundleVersion(
        path=path,
        id=facts.id,
        model=facts.recipe["model"],
        recipe=facts.recipe["name"],
        parent=facts.data.parent,
        made_utc=facts.made_utc,
        normal=0 if taught is None else taught.normal,
        abnormal=0 if taught is None else taught.abnormal,
        threshold=facts.threshold,
        promise=facts.promise,
        learned=facts.history.get("learned"),
        current=link.is_symlink() and link.resolve() == path.resolve(),
    )
