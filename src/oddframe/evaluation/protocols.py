"""The evaluation protocols by name: those of papers, those of released code, and `honest`.

`paper/SYSTEM` and `code/SYSTEM` apply to every data set. `paper/SYSTEM/DATA` applies to one data set and names its
ground truth. If the two compute the same, the name of the data set only says which labels the published figure uses.
Frames without a complete window have no score, so protocols need not drop them.

The protocols of a system are part of its entry (`oddframe.models.catalogue.ModelEntry.protocols`). They are read on
demand. `honest` needs no model, and therefore no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cache
from typing import Any
from warnings import warn

from oddframe.errors import InputError, RecipeError
from oddframe.evaluation.protocol import GroundTruth, Protocol
from oddframe.models.catalogue import ModelEntry
from oddframe.models.registry import entries, entry, names
from oddframe.settings import Smoothing
from oddframe.suggest import near

GROUND_TRUTHS = {
    "ped2": GroundTruth("masks of the release", 2010, 1648),
    "avenue": GroundTruth("the label file of MNAD and MPN", 15324, 3867),
    "shanghaitech": GroundTruth("the label file of MNAD and MPN", 40791, 17326),
}
"""Data set -> the labels in the released code of MNAD and MPN. Other labels of Avenue, with 3712 positives, differ in
441 frames."""

DATA = ("ped1", "ped2", "avenue", "shanghaitech", "ubnormal")
"""The data sets for which built-in systems have protocols."""

HONEST = Protocol(
    "honest",
    "the system's own score, causal, nothing normalised per video, nothing tuned or selected on test data",
    online=True,
    selection="nothing on test data",
)


def read_protocols(about: ModelEntry) -> dict[str, Protocol]:
    """Read the protocols of a system from its entry.

    Each is a `Protocol`, or a mapping of its fields. In a mapping, four fields have short forms. `smoothing` and each
    of `candidates` may be the arguments of `Smoothing`, such as `("centred", 37, 11.0)`. `data` may be a tuple of data
    sets; then there is one protocol for each, with the name NAME/DATA, or NAME for "". `ground_truth` may be True, for
    the labels of `data` in `GROUND_TRUTHS`, if there are any.

    Raises:
        RecipeError: there is an unknown field, an impossible value, or a name that does not start with "paper/SYSTEM"
            or "code/SYSTEM".
    """
    made = [protocol for text in about.protocols for protocol in _read(about.name, text)]
    return {protocol.name: protocol for protocol in made}


@cache
def _protocols_of(system: str) -> dict[str, Protocol]:
    return read_protocols(entry(system))


def _read(system: str, text: Mapping[str, Any] | Protocol) -> Iterator[Protocol]:
    if isinstance(text, Protocol):
        yield _checked(system, text)
        return
    name, data = text.get("name", ""), text.get("data", "")
    unknown = sorted(text.keys() - {field.name for field in fields(Protocol)})
    if unknown:
        raise RecipeError(f"model {system}: protocol {name!r} has an unknown field {unknown[0]!r}")
    for dataset in data if isinstance(data, tuple) else (data,):
        title = f"{name}/{dataset}" if dataset and isinstance(data, tuple) else name
        values = {**text, "data": dataset, "name": title}
        try:
            if "smoothing" in values:
                values["smoothing"] = _smoothing(values["smoothing"])
            values["candidates"] = tuple(_smoothing(candidate) for candidate in values.get("candidates", ()))
            if isinstance(values.get("ground_truth"), bool):
                values["ground_truth"] = GROUND_TRUTHS.get(dataset) if values["ground_truth"] else None
            yield _checked(system, Protocol(**values))
        except (TypeError, ValueError, InputError) as error:
            raise RecipeError(f"model {system}: protocol {name!r}: {error}") from None


def _smoothing(value: Any) -> Smoothing | None:
    return Smoothing(*value) if isinstance(value, tuple) else value


def _checked(system: str, protocol: Protocol) -> Protocol:
    if protocol.system != system:
        raise RecipeError(
            f"model {system}: protocol {protocol.name!r}: its name must begin with paper/{system} or code/{system}"
        )
    return protocol


class _AllProtocols(Mapping[str, Protocol]):
    """Every protocol by name, `honest` first. A look-up loads only one system; an iteration loads all of them.

    Systems that cannot be loaded, and systems with wrong protocols, are left out.
    """

    def __getitem__(self, name: str) -> Protocol:
        if name == HONEST.name:
            return HONEST
        kind, _, rest = name.partition("/")
        system = rest.partition("/")[0]
        if kind not in ("paper", "code") or system not in names():
            raise KeyError(name)
        return _protocols_of(system)[name]

    def __iter__(self) -> Iterator[str]:
        yield HONEST.name
        for about in entries()[0]:
            with suppress(RecipeError):
                yield from _protocols_of(about.name)

    def __len__(self) -> int:
        return sum(1 for _ in self)


PROTOCOLS: Mapping[str, Protocol] = _AllProtocols()


def get_protocol(name: str) -> Protocol:
    """The protocol with this name.

    Raises:
        InputError: there is no such protocol; the message names similar ones. Or its system cannot be loaded.
    """
    try:
        return PROTOCOLS[name]
    except KeyError:
        close = near(name, PROTOCOLS)
        hint = f"; did you mean {' or '.join(close)}?" if close else ";"
        raise InputError(f"there is no protocol {name!r}{hint} `oddframe protocols` lists them") from None


def known_data(name: str) -> str | None:
    """The name that protocols use for a test set, for example "ped2" for "UCSD Ped2"; None if there is none.

    Text in brackets, such as the version of the ground truth, is ignored.
    """
    plain = "".join(letter for letter in name.partition("(")[0].casefold() if letter.isalnum())
    data = plain.removeprefix("ucsd").removeprefix("cuhk")
    return data if data in DATA else None


def protocols_for(system: str, components: set[str], data: str | None = None) -> list[Protocol]:
    """`honest`, and every protocol of a system that can be computed from its scores, without duplicates.

    If the system cannot be loaded, for example without torch, only `honest` is returned, with a warning.

    Args:
        system: name of the system.
        components: components of the scores.
        data: a data set such as "ped2": its protocols replace the general ones of the same name, and those of other
            data sets are left out. None: protocols of a data set are left out if they equal the general one.
    """
    try:
        of_system = _protocols_of(system)
    except RecipeError as error:
        warn(f"only the protocol honest is used: {error}", stacklevel=2)
        return [HONEST]
    usable = [
        protocol
        for protocol in of_system.values()
        if protocol.combination is None or components >= set(protocol.combination.weights)
    ]
    if data is None:
        general = {protocol.name: protocol for protocol in usable if not protocol.data}
        chosen = [p for p in usable if not p.data or not _equals(p, general.get(p.name.rpartition("/")[0]))]
    else:
        of_data = {p.name.rpartition("/")[0] for p in usable if p.data == data}
        chosen = [p for p in usable if p.data == data or (not p.data and p.name not in of_data)]
    return [HONEST, *chosen]


def _equals(protocol: Protocol, other: Protocol | None) -> bool:
    return other is not None and protocol.computes_like(other)
