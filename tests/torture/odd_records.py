"""Strange tables, labels, YAML, bundles and arrays."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.torture.cages import INPUT, OK, RECIPE, Cage, Words, beast
from tests.torture.odd_videos import FILES, frames, png

# ---- tables ---------------------------------------------------------------------------------------------------------

TABLES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "must name the columns"),
    "only a header": (b"video\n", "lists no video"),
    "binary": (np.random.default_rng(8).bytes(4000), "UTF-8|zero bytes"),
    "zero bytes": (b"video\na\0b\n", "zero bytes"),
    "UTF-16 without a mark": ("video\ngood.mkv\n".encode("utf-16-le"), "zero bytes"),
    "Latin-1": (b"video\ncaf\xe9.mkv\n", "line 2: not UTF-8"),
    "a quote that stays open": (b'video\n"good.mkv\n' + b"x\n" * 1000, "close"),
    "a hundred thousand columns": (b"video," + b"x," * 100_000 + b"\ngood.mkv\n", "stands twice"),
    "a cell of a million letters": (b"video\n" + b"x" * 1_000_000 + b"\n", "line 2"),
    "a device": (b"video\n/dev/zero\n", "a device"),
    "a file that is no video": (b"video\n../../../../../../etc/passwd\n", "passwd"),
    "nothing of that name": (b"video\nabsent.mkv\n", "line 2: no such video: absent.mkv"),
    "escape sequences": (b"video\n\x1b[31m.mkv\n", r"line 2: no such video: \\x1b\[31m.mkv"),
    "a video twice": (b"video\ngood.mkv\n./good.mkv\n", "listed twice"),
    "rate nan": (b"video,fps\ngood.mkv,nan\n", "fps is 'nan'"),
    "rate 1e999": (b"video,fps\ngood.mkv,1e999\n", "fps is '1e999'"),
    "rate -1": (b"video,fps\ngood.mkv,-1\n", "fps is '-1'"),
    "itself": (b"video\nlist.csv\n", "list.csv"),
    "65 MB of nothing": (b"\n" * (65 << 20), "more than the 67,108,864 of a text"),
    "compressed": (gzip.compress(b"video\n" + bytes(1 << 20)), "UTF-8|zero bytes"),
}
for name, (data, says) in TABLES.items():

    def table(cage: Cage, data: bytes = data) -> Words:
        (cage.videos / "list.csv").write_bytes(data)
        return cage.score(cage.videos / "list.csv")

    beast("tables", name, INPUT, says)(table)


@beast("tables", "a pipe", INPUT, "list.csv: a named pipe")
def tables_a_pipe(cage: Cage) -> Words:
    os.mkfifo(cage.videos / "list.csv")
    return cage.score(cage.videos / "list.csv")


@beast("tables", "/dev/zero", INPUT, "list.csv: a device")
def tables_dev_zero(cage: Cage) -> Words:
    (cage.videos / "list.csv").symlink_to("/dev/zero")
    return cage.score(cage.videos / "list.csv")


@beast("tables", "a folder", INPUT, "list.csv: no video found")
def tables_a_folder(cage: Cage) -> Words:
    (cage.videos / "list.csv").mkdir()
    return cage.score(cage.videos / "list.csv")


# ---- labels ---------------------------------------------------------------------------------------------------------


def npy(shape: str, data: bytes = b"", descr: str = "'|u1'") -> bytes:
    """An .npy file whose header says this."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + data


def saved(array: object, pickled: bool = False) -> bytes:
    held = io.BytesIO()
    np.save(held, np.asarray(array), allow_pickle=pickled)
    return held.getvalue()


def bomb(name: str, head: bytes, size: int) -> bytes:
    """A zip file with one member of so many bytes, all zero but for its head."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(name, "w", force_zip64=True) as member:
            member.write(head)
            block = bytes(1 << 22)
            for _ in range(size >> 22):
                member.write(block)
    return held.getvalue()


def stated_bomb(name: str, head: bytes) -> bytes:
    """A small zip file whose directory states a member of two gigabytes, as that of a bomb does."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, head.ljust(4321, b"\0"))
    return held.getvalue().replace(struct.pack("<I", 4321), struct.pack("<I", 2**31 - 1))


class Evil:
    """What would leave a file behind if it were unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch /tmp/oddframe-zoo-was-here",)


def mat_bomb() -> bytes:
    """A .mat file of version 5 with a compressed variable of two gigabytes."""
    packer = zlib.compressobj(1)
    count = 2**31 + 2**22
    packed = packer.compress(struct.pack("<II", 14, count))
    packed += packer.compress(bytes(1 << 26)) + packer.flush()
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(packed)) + packed


BOMBS: dict[str, Callable[[], bytes]] = {
    "zip": lambda: bomb("masks.npy", npy("(20, 8192, 8192)"), 20 << 26),
    "mat": mat_bomb,
}
LABELS: dict[str, tuple[str, bytes | str, str]] = {
    "npy of 10^12 entries": ("labels/v.npy", npy("(1000000000000,)"), "v.npy"),
    "npy of 10^30 entries": ("labels/v.npy", npy("(10**30,)"), "v.npy"),
    "npy of negative length": ("labels/v.npy", npy("(-5,)"), "v.npy"),
    "npy with objects": ("labels/v.npy", saved([Evil()], True), "v.npy.*no plain array"),
    "npy with a strange header": ("labels/v.npy", npy("(" * 1000 + ")" * 1000), "v.npy"),
    "npy with code in its header": ("labels/v.npy", npy("(__import__('os').system('true'),)"), "v.npy"),
    "npy of texts": ("labels/v.npy", saved(["a"] * 6), "v.npy"),
    "npy of complex numbers": ("labels/v.npy", saved(np.ones(6, complex)), "v.npy"),
    "npy of nan": ("labels/v.npy", saved(np.full(6, np.nan)), "v.npy"),
    "npy of 0 axes": ("labels/v.npy", saved(1), "v.npy"),
    "npy that is a pickle": ("labels/v.npy", pickle.dumps(Evil()), "v.npy.*no plain array"),
    "npy that is a zip": ("labels/v.npy", bomb("a.npy", npy("(4,)", bytes(4)), 0), "v.npy.*archive of several arrays"),
    "txt of one huge number": ("labels/v.txt", b"9" * 1_000_000, "v.txt"),
    "txt of zero bytes": ("labels/v.txt", bytes(1000), "v.txt: holds zero bytes"),
    "txt of three hundred thousand labels": ("labels/v.txt", b"0\n" * 300_000, "v.txt"),
    "interval of 10^30 frames": (
        "intervals.csv",
        b"video,start_frame,end_frame\nv,0," + b"9" * 30,
        "intervals.csv, line 2",
    ),
    "interval of nan": ("intervals.csv", b"video,start_frame,end_frame\nv,nan,nan", "intervals.csv, line 2"),
    "interval of another video": ("intervals.csv", b"video,start_frame,end_frame\n../v,0,1", "intervals.csv, line 2"),
    "masks as a zip bomb": ("masks/v.npz", "zip", "v.npz.*at most"),
    "masks as a compressed bomb of MATLAB": ("1_label.mat", "mat", "1_label.mat"),
    "masks of MATLAB 7.3": (
        "1_label.mat",
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" + bytes(500),
        "1_label.mat",
    ),
    "masks of MATLAB, cut off": (
        "1_label.mat",
        b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 14, 2**31) + bytes(50),
        "1_label.mat",
    ),
    "mask image of 20000 x 20000": ("masks/v/000.png", png(9000, 9000), "000.png.*9000 x 9000 pixels"),
    "mask image that promises more": ("masks/v/000.png", png(8000, 8000, 2), "000.png|masks"),
}
for name, (file, made, says) in LABELS.items():

    def labels(cage: Cage, file: str = file, made: bytes | str = made) -> Words:
        avenue = file.endswith(".mat")
        frames(cage.folder / "set" / ("testing/frames/01" if avenue else "frames/v"))
        place = cage.folder / "set" / ("testing_label_mask" if avenue else ".") / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(BOMBS[made]() if isinstance(made, str) else made)
        return ["data", "check", f"{'avenue-masks' if avenue else 'folder'}:{cage.folder / 'set'}"]

    beast("labels", name, INPUT, says)(labels)


@beast("labels", "npy that is a pipe", INPUT, "v.npy: a named pipe")
def labels_npy_that_is_a_pipe(cage: Cage) -> Words:
    frames(cage.folder / "set" / "frames" / "v")
    (cage.folder / "set" / "labels").mkdir()
    os.mkfifo(cage.folder / "set" / "labels" / "v.npy")
    return ["data", "check", f"folder:{cage.folder / 'set'}"]


@beast("labels", "txt that is /dev/zero", INPUT, "v.txt: a device")
def labels_txt_that_is_dev_zero(cage: Cage) -> Words:
    frames(cage.folder / "set" / "frames" / "v")
    (cage.folder / "set" / "labels").mkdir()
    (cage.folder / "set" / "labels" / "v.txt").symlink_to("/dev/zero")
    return ["data", "check", f"folder:{cage.folder / 'set'}"]


@beast(
    "labels", "evaluate with a garbage video among good ones", INPUT, "bad.mp4.*not a video|a test set must be whole"
)
def labels_evaluate_with_a_garbage_video_among_good_ones(cage: Cage) -> Words:
    place = cage.folder / "set"
    for part in ("videos", "labels"):
        (place / part).mkdir(parents=True)
    os.link(cage.good, place / "videos" / "good.mkv")
    (place / "videos" / "bad.mp4").write_bytes(FILES["garbage.mp4"][0])
    for video in ("good", "bad"):
        (place / "labels" / f"{video}.txt").write_text("0\n" * 80)
    return ["evaluate", cage.run, "--data", f"folder:{place}"]


# ---- YAML -----------------------------------------------------------------------------------------------------------

LAUGHS = b"a0: &a0 [x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 30)
)
YAMLS: dict[str, tuple[bytes, str]] = {
    "a hundred thousand lists in each other": (b"a: " + b"[" * 100_000 + b"]" * 100_000, "nested without end"),
    "a hundred thousand mappings in each other": (b"{a: " * 100_000 + b"}" * 100_000, "nested without end"),
    "a thousand blocks in each other": (b"".join(b" " * n + b"a:\n" for n in range(1000)), "nested without end"),
    "sixty lists in each other": (b"a: " + b"[" * 60 + b"]" * 60, "nested without end"),
    "aliases that stand for 9^29 values": (LAUGHS, "aliases stand for more than"),
    "aliases in a list of itself": (b"a: &a [*a, *a]", "nested without end"),
    "a tag that runs a program": (
        b"a: !!python/object/apply:os.system ['touch /tmp/oddframe-zoo-was-here']",
        "python/object",
    ),
    "a tag that makes an object": (b"a: !!python/name:os.system", "python/name"),
    "a tag of its own": (b"a: !evil x", "evil"),
    "bytes": (b"model: !!binary aGVsbG8=", "model|summary"),
    "UTF-16": (RECIPE.decode().encode("utf-16"), ""),
    "UTF-16 without a mark": (RECIPE.decode().encode("utf-16-le"), "zero bytes"),
    "UTF-32": (RECIPE.decode().encode("utf-32"), ""),
    "Latin-1": (b"summary: caf\xe9\n", "not UTF-8"),
    "zero bytes": (b"summary: a\0b\n", "zero bytes"),
    "binary": (np.random.default_rng(9).bytes(2000), "r.yaml"),
    "two megabytes": (RECIPE + b"# x\n" * 600_000, "characters"),
    "empty": (b"", "a mapping"),
    "a list": (b"- a\n- b\n", "a mapping"),
    "two documents": (RECIPE + b"---\n" + RECIPE, "expected a single document"),
    "an unknown key": (RECIPE + b"training: {colour: red}\n", "training.colour"),
    "a key that is a list": (RECIPE + b"? [a, b]\n: c\n", "r.yaml"),
    "a key that is a number": (RECIPE + b"5: c\n", "r.yaml"),
    "a number of a million digits": (RECIPE + b"training: {seed: " + b"9" * 900_000 + b"}\n", "r.yaml"),
    "a size of 10^12": (RECIPE.replace(b"30, 40", b"1000000000000, 4"), "size|memory|10"),
    "a size below 0": (RECIPE.replace(b"30, 40", b"-5, 4"), "size .*pixels"),
    "a size of texts": (RECIPE.replace(b"30, 40", b"a, b"), "size"),
    "rates of nan": (RECIPE + b"scoring: {merge_s: .nan}\n", "merge_s"),
    "an open quote": (b'summary: "x\n', "r.yaml"),
    "a tab": (b"summary:\n\t- x\n", "r.yaml"),
    "a date": (b"summary: 2001-01-01\nmodel: frame_difference\n", "summary"),
}
for name, (data, says) in YAMLS.items():

    def recipe(cage: Cage, data: bytes = data) -> Words:
        (cage.folder / "r.yaml").write_bytes(data)
        return cage.fit(cage.videos, recipe=cage.folder / "r.yaml")

    beast("yaml", name, INPUT if says else OK, says)(recipe)

SETS = {
    "lists": "options.size=" + "[" * 5000,
    "a program": "options.size=!!python/object/apply:os.system ['true']",
    "a quote": "summary='",
    "no key": "=5",
    "a key below a number": "model.x=5",
}
for name, change in SETS.items():
    beast("yaml", f"--set of {name}", INPUT, "--set|size")(
        lambda cage, change=change: cage.fit(cage.videos, "--set", change)  # type: ignore[misc]
    )
for name, make in (
    ("a pipe", os.mkfifo),
    ("a folder", os.mkdir),
    ("/dev/zero", lambda path: os.symlink("/dev/zero", path)),
):

    def special(cage: Cage, make: Callable[[Path], object] = make) -> Words:
        make(cage.folder / "r.yaml")
        return cage.fit(cage.videos, recipe=cage.folder / "r.yaml")

    beast("yaml", f"a recipe that is {name}", INPUT, "r.yaml")(special)


@beast("yaml", "a plan of aliases", INPUT, "plan.yaml.*aliases stand for more than")
def yaml_a_plan_of_aliases(cage: Cage) -> Words:
    (cage.folder / "plan.yaml").write_bytes(LAUGHS)
    return ["benchmark", cage.folder / "plan.yaml", "--out", cage.out]


# ---- bundles --------------------------------------------------------------------------------------------------------


def spoilt(change: Callable[[dict[str, object]], object]) -> Callable[[Path], object]:
    """Changes bundle.json."""

    def make(run: Path) -> None:
        meta = json.loads((run / "bundle.json").read_text())
        change(meta)
        (run / "bundle.json").write_text(json.dumps(meta))

    return make


def written(file: str, data: bytes) -> Callable[[Path], object]:
    return lambda run: (run / file).write_bytes(data)


def replaced(file: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(run: Path) -> None:
        (run / file).unlink(missing_ok=True)
        make(run / file)

    return change


def tensors(head: object, length: int | None = None, data: bytes = b"") -> bytes:
    """A safetensors file with this header."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


DEEP = b"[" * 100_000 + b"]" * 100_000
HUGE = {"x": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}
BUNDLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "bundle.json is no JSON": (written("bundle.json", b"{"), "bundle.json: damaged"),
    "bundle.json is a list": (written("bundle.json", b"[]"), "bundle.json: damaged"),
    "bundle.json is empty": (written("bundle.json", b""), "bundle.json: damaged"),
    "bundle.json is binary": (written("bundle.json", np.random.default_rng(1).bytes(999)), "bundle.json: damaged"),
    "bundle.json is deep": (written("bundle.json", b'{"a": ' + DEEP + b"}"), "bundle.json: damaged"),
    "bundle.json is UTF-16": (written("bundle.json", "{}".encode("utf-16")), "bundle.json: damaged"),
    "bundle.json of a million digits": (
        written("bundle.json", b'{"format": ' + b"9" * 10**6 + b"}"),
        "bundle.json: damaged",
    ),
    "bundle.json is a pipe": (replaced("bundle.json", os.mkfifo), "bundle.json"),
    "bundle.json is a device": (replaced("bundle.json", lambda path: path.symlink_to("/dev/zero")), "bundle.json"),
    "bundle.json leads to itself": (replaced("bundle.json", lambda path: path.symlink_to(path)), "bundle.json"),
    "bundle.json is a folder": (replaced("bundle.json", os.mkdir), "bundle.json"),
    "format 10^9": (spoilt(lambda meta: meta.update(format=10**9)), "newer"),
    "format of text": (spoilt(lambda meta: meta.update(format="2")), "format"),
    "no recipe": (spoilt(lambda meta: meta.pop("recipe")), "recipe"),
    "recipe of an unknown model": (spoilt(lambda meta: meta["recipe"].update(model="os")), "os"),  # type: ignore[attr-defined]
    "recipe of a module": (spoilt(lambda meta: meta["recipe"].update(model="../../x")), "x"),  # type: ignore[attr-defined]
    "size of 10^9": (spoilt(lambda meta: meta["recipe"]["options"].update(size=[10**9, 10**9])), "run|size|memory"),  # type: ignore[index]
    "size of 10^30": (spoilt(lambda meta: meta["recipe"]["options"].update(size=[10**30, 10**30])), "run|size|memory"),  # type: ignore[index]
    "size of 0": (spoilt(lambda meta: meta["recipe"]["options"].update(size=[0, 0])), "run|size"),  # type: ignore[index]
    "size of texts": (spoilt(lambda meta: meta["recipe"]["options"].update(size=["a", "b"])), "run|size"),  # type: ignore[index]
    "size of nothing": (spoilt(lambda meta: meta["recipe"]["options"].update(size=None)), "run|size"),  # type: ignore[index]
    "frame rate nan": (spoilt(lambda meta: meta["data"].update(frame_rate=float("nan"))), "nan|frame_rate"),  # type: ignore[attr-defined]
    "frame rate -1": (spoilt(lambda meta: meta["data"].update(frame_rate=-1.0)), "frame_rate"),  # type: ignore[attr-defined]
    "weights of garbage": (written("model.safetensors", np.random.default_rng(2).bytes(999)), "damaged|run"),
    "weights cut off": (written("model.safetensors", b"\x10\0\0"), "damaged|run"),
    "weights whose header has 2^60 bytes": (written("model.safetensors", tensors({}, 2**60)), "damaged|run"),
    "weights of 10^12 numbers": (written("model.safetensors", tensors(HUGE)), "damaged|run"),
    "weights with a deep header": (written("model.safetensors", tensors(b'{"a":' + DEEP + b"}")), "damaged|run"),
    "weights of another network": (
        written(
            "model.safetensors", tensors({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, data=bytes(4))
        ),
        "damaged|run",
    ),
    "weights as a pipe": (replaced("model.safetensors", os.mkfifo), "model.safetensors"),
    "weights that are a pickle": (written("model.safetensors", pickle.dumps(Evil())), "damaged|run"),
    "calibration.json is no JSON": (written("calibration.json", b"{"), "calibration.json"),
    "calibration.json is deep": (written("calibration.json", DEEP), "calibration.json"),
    "calibration.json is a list": (written("calibration.json", b"[]"), "calibration.json"),
    "calibration.json of nan": (
        lambda run: (run / "calibration.json").write_text(
            re.sub(r'("threshold": )[^,]+', r"\1NaN", (run / "calibration.json").read_text())
        ),
        "calibration.json",
    ),
    "calibration.json is a pipe": (replaced("calibration.json", os.mkfifo), "calibration"),
}
for name, (change, says) in BUNDLES.items():

    def bundle(cage: Cage, change: Callable[[Path], object] = change) -> Words:
        run = cage.own_run()
        change(run)
        return cage.score(cage.videos, run=run)

    beast("bundles", name, INPUT, says)(bundle)


@beast("bundles", "held-out scores as a zip bomb", INPUT, "heldout.npz.*at most")
def bundles_held_out_scores_as_a_zip_bomb(cage: Cage) -> Words:
    run = cage.own_run()
    (run / "heldout.npz").write_bytes(stated_bomb("0/time.npy", npy("(20, 8192, 8192)")))
    return cage.score(cage.videos, "--quantile", "0.5", run=run)


@beast("bundles", "held-out scores of 10^12 numbers", INPUT, "heldout.npz")
def bundles_held_out_scores_of_10_12_numbers(cage: Cage) -> Words:
    run = cage.own_run()
    (run / "heldout.npz").write_bytes(bomb("0/time.npy", npy("(1000000000000,)", descr="'<f8'"), 0))
    return cage.score(cage.videos, "--quantile", "0.5", run=run)


@beast("bundles", "a video in place of a bundle", INPUT, "good.mkv: this is a file, not a bundle")
def bundles_a_video_in_place_of_a_bundle(cage: Cage) -> Words:
    return cage.score(cage.videos, run=cage.good)


@beast("bundles", "/dev/zero in place of a bundle", INPUT, "/dev/zero")
def bundles_dev_zero_in_place_of_a_bundle(cage: Cage) -> Words:
    return cage.score(cage.videos, run=Path("/dev/zero"))


@beast("bundles", "an exported detector whose record is garbage", INPUT, "export.json: damaged")
def bundles_an_exported_detector_whose_record_is_garbage(cage: Cage) -> Words:
    (cage.folder / "exported").mkdir()
    (cage.folder / "exported" / "export.json").write_bytes(DEEP)
    return cage.score(cage.videos, run=cage.folder / "exported")


# ---- arrays of features ---------------------------------------------------------------------------------------------

ARRAYS: dict[str, tuple[str, str, bytes, str]] = {
    "npy of 10^12 rows": ("rtfm", "a.npy", npy("(1000000000000, 4)", descr="'<f4'"), "a.npy"),
    "npy of objects": ("rtfm", "a.npy", saved([Evil()], True), "a.npy.*no plain array"),
    "npy cut off": ("rtfm", "a.npy", saved(np.ones((4, 4), np.float32))[:100], "a.npy"),
    "npy of nan": ("rtfm", "a.npy", saved(np.full((4, 4), np.nan, np.float32)), "a.npy.*NaN"),
    "npy of infinity": ("rtfm", "a.npy", saved(np.full((4, 4), np.inf, np.float32)), "a.npy.*infinity"),
    "npy of no rows": ("rtfm", "a.npy", saved(np.ones((0, 4), np.float32)), "a.npy"),
    "npy of 32 axes": ("rtfm", "a.npy", saved(np.ones((1,) * 32, np.float32)), "a.npy"),
    "text of nonsense": ("sultani", "a.txt", b"x y z\n" * 32, "a.txt"),
    "text of a million numbers": ("sultani", "a.txt", b"1 " * 10**6 + b"\n", "a.txt"),
    "npz bomb": ("segments", "a.npz", b"zip", "a.npz.*at most"),
    "npz of garbage": ("segments", "a.npz", b"PK\x03\x04" + bytes(500), "a.npz"),
}
for name, (layout, file, data, says) in ARRAYS.items():

    def array(cage: Cage, layout: str = layout, file: str = file, data: bytes = data) -> Words:
        place = cage.folder / "features"
        place.mkdir()
        (place / file).write_bytes(stated_bomb("a.npy", npy("(20, 67108864)")) if data == b"zip" else data)
        (cage.folder / "train.csv").write_text("video,label\na,1\nb,0\n")
        given = place / file if layout == "segments" else place
        return [
            "fit",
            cage.folder / "train.csv",
            "--model",
            "mil",
            "--features",
            f"x={layout}:{given}",
            "--out",
            cage.out,
        ]

    beast("arrays", name, INPUT, says)(array)
