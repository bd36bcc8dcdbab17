"""The protocols by name: as papers describe them, as released code computes them, and the honest one.

`paper/SYSTEM` and `code/SYSTEM` hold for every data set; `paper/SYSTEM/DATA` is what was done on one of them, with its
ground truth. Where the two compute the same, the name of the data set only adds on which labels the published figure
rests. Frames without a complete window have no score, and so need not be dropped here.

The protocols of a system are part of its entry (`oddframe.models.catalogue.ModelEntry.protocols`). They are read when
somebody asks for them; `honest` needs no model, and so no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from typing import Any
from warnings import warn

from oddframe.errors import InputError, RecipeError
from oddframe.evaluation.protocol import GroundTruth, Protocol
from oddframe.models.catalogue import ModelEntry
from oddframe.models.registry import entries, entry, names
from oddframe.settings import Smoothing

GROUND_TRUTHS = {
    "ped2": GroundTruth("masks of the release", 2010, 1648),
    "avenue": GroundTruth("the label file of MNAD and MPN", 15324, 3867),
    "shanghaitech": GroundTruth("the label file of MNAD and MPN", 40791, 17326),
}
"""Data set -> the labels that circulate with the released code of MNAD and MPN. For Avenue there are others, with 3712
positives, that differ in 441 frames."""

DATA = ("ped1", "ped2", "avenue", "shanghaitech", "ubnormal")
"""The data sets that protocols of built-in systems are of."""

HONEST = Protocol(
    "honest",
    "the system's own score, causal, nothing normalised per video, nothing tuned or selected on test data",
    online=True,
    selection="nothing on test data",
)


def read_protocols(about: ModelEntry) -> dict[str, Protocol]:
    """The protocols of a system, from its entry.

    Each is a mapping of the fields of `Protocol`, or a `Protocol`. In a mapping, short forms may stand for four fields:
    `smoothing` and each of `candidates` are the arguments of `Smoothing`, as in `("centred", 37, 11.0)`;
    `data` may be a tuple of data sets, and the protocol is then made once for each, called NAME/DATA, and NAME for "";
    `ground_truth` True means the labels that circulate for `data` (`GROUND_TRUTHS`), where they are known.

    Raises:
        RecipeError: an unknown field, an impossible value, or a name that is not "paper/SYSTEM..." or "code/SYSTEM...".
    """
    made = [protocol for text in about.protocols for protocol in _read(about.name, text)]
    return {protocol.name: protocol for protocol in made}


@cache
def _own(system: str) -> dict[str, Protocol]:
    return read_protocols(entry(system))


def _read(system: str, text: Mapping[str, Any] | Protocol) -> Iterator[Protocol]:
    if isinstance(text, Protocol):
        yield _checked(system, text)
        return
    name, data = text.get("name", ""), text.get("data", "")
    unknown = sorted(text.keys() - {field.name for field in fields(Protocol)})
    if unknown:
        raise RecipeError(f"model {system}: protocol {name!r} has a field {unknown[0]!r} that there is not")
    for one in data if isinstance(data, tuple) else (data,):
        values = {**text, "data": one, "name": f"{name}/{one}" if one and isinstance(data, tuple) else name}
        try:
            if "smoothing" in values:
                values["smoothing"] = _smoothing(values["smoothing"])
            values["candidates"] = tuple(_smoothing(candidate) for candidate in values.get("candidates", ()))
            if isinstance(values.get("ground_truth"), bool):
                values["ground_truth"] = GROUND_TRUTHS.get(one) if values["ground_truth"] else None
            yield _checked(system, Protocol(**values))
        except (TypeError, ValueError, InputError) as error:
            raise RecipeError(f"model {system}: protocol {name!r}: {error}") from None


def _smoothing(value: Any) -> Smoothing | None:
    return Smoothing(*value) if isinstance(value, tuple) else value


def _checked(system: str, protocol: Protocol) -> Protocol:
    if protocol.system != system:
        raise RecipeError(f"model {system}: protocol {protocol.name!r}: call it paper/{system}... or code/{system}...")
    return protocol


class _AllProtocols(Mapping[str, Protocol]):
    """Every protocol by name, `honest` first. Looking one up loads its system alone; going through them loads all.

    Systems that cannot be loaded, and systems whose protocols are wrong, are left out.
    """

    def __getitem__(self, name: str) -> Protocol:
        if name == HONEST.name:
            return HONEST
        kind, _, rest = name.partition("/")
        system = rest.partition("/")[0]
        if kind not in ("paper", "code") or system not in names():
            raise KeyError(name)
        return _own(system)[name]

    def __iter__(self) -> Iterator[str]:
        yield HONEST.name
        for about in entries()[0]:
            with suppress(RecipeError):
                yield from _own(about.name)

    def __len__(self) -> int:
        return sum(1 for _ in self)


PROTOCOLS: Mapping[str, Protocol] = _AllProtocols()


def get_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        InputError: there is none; the message names the nearest. Or its system cannot be loaded.
    """
    try:
        return PROTOCOLS[name]
    except KeyError:
        near = get_close_matches(name, PROTOCOLS, 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ";"
        raise InputError(f"there is no protocol {name!r}{hint} `oddframe protocols` lists them") from None


def known_data(name: str) -> str | None:
    """The data set that the name of a test set means, as protocols call it: "ped2" for "UCSD Ped2"; else None.

    What stands in brackets, such as the version of the ground truth, is not looked at.
    """
    plain = "".join(letter for letter in name.partition("(")[0].casefold() if letter.isalnum())
    data = plain.removeprefix("ucsd").removeprefix("cuhk")
    return data if data in DATA else None


def protocols_for(system: str, components: set[str], data: str | None = None) -> list[Protocol]:
    """`honest`, and every protocol of a system that its scores allow and that computes something of its own.

    Where the system cannot be loaded, as without torch, a warning says so and `honest` is left.

    Args:
        components: those that the scores have.
        data: "ped2", say: the protocols of that data set take the place of the general ones that compute the same, and
            those of other data sets are left out. None: of a data set's protocols, those that no general one equals.
    """
    try:
        own = _own(system)
    except RecipeError as error:
        warn(f"only the protocol honest is used: {error}", stacklevel=2)
        return [HONEST]
    usable = [
        protocol
        for protocol in own.values()
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
