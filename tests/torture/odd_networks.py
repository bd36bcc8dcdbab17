"""Strange networks, checkpoints and stores of scores."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.torture.cages import INPUT, OK, SKIPPED, Cage, Words, beast, write_video
from tests.torture.odd_records import DEEP, HUGE, LAUGHS, Evil, bomb, npy, saved, stated_bomb, tensors
from tests.torture.odd_videos import HTML

# ---- networks -------------------------------------------------------------------------------------------------------


def network(constant: TensorProto | None = None, weights: TensorProto | None = None, inside: bool = False) -> bytes:
    """A network that gives the mean colour times a constant; `inside`: the constant stands in a branch of an If."""
    node, info = helper.make_node, helper.make_tensor_value_info
    nodes = [node("GlobalAveragePool", ["x"], ["mean"]), node("Flatten", ["mean"], ["flat"])]
    initial = [weights] if weights is not None else []
    if inside:
        branch = helper.make_graph(
            [node("Constant", [], ["b"], value=constant)], "b", [], [info("b", TensorProto.FLOAT, [1])]
        )
        yes = numpy_helper.from_array(np.array(True), "yes")
        nodes += [
            node("Constant", [], ["c"], value=yes),
            node("If", ["c"], ["k"], then_branch=branch, else_branch=branch),
        ]
    elif constant is not None:
        nodes += [node("Constant", [], ["k"], value=constant)]
    nodes += [node("Mul", ["flat", "k"], ["y"])]
    graph = helper.make_graph(
        nodes, "n", [info("x", TensorProto.FLOAT, ["n", 3, 16, 16])], [info("y", TensorProto.FLOAT, ["n", 3])], initial
    )
    made: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7
    ).SerializeToString()
    return made


def external(name: str, place: str, length: int = 4) -> TensorProto:
    """A tensor that lies in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", place), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def vast() -> bytes:
    """A network that gives 10^12 numbers."""
    info, count = helper.make_tensor_value_info, numpy_helper.from_array(np.array([10**6, 10**6]), "s")
    graph = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["s"], ["y"])], "n",
        [info("x", TensorProto.FLOAT, ["n", 3, 16, 16])], [info("y", TensorProto.FLOAT, ["a", "b"])], [count],
    )  # fmt: skip
    made: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7
    ).SerializeToString()
    return made


PLACES = {
    "absent": "absent.bin",
    "above": "../secret.bin",
    "absolute": "/etc/hostname",
    "device": "/dev/zero",
    "far": "a/" * 500,
}
NETWORKS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "n.onnx"),
    "garbage": (np.random.default_rng(3).bytes(2000), "n.onnx"),
    "a web page": (HTML, "n.onnx"),
    "cut off": (network(numpy_helper.from_array(np.ones(1, np.float32)))[:100], "n.onnx"),
    "of another operator": (
        onnx.helper.make_model(
            helper.make_graph(
                [helper.make_node("Evil", ["x"], ["y"])],
                "n",
                [helper.make_tensor_value_info("x", 1, ["n", 3, 16, 16])],
                [helper.make_tensor_value_info("y", 1, ["n", 3])],
            )
        ).SerializeToString(),
        "n.onnx",
    ),
    "of 10^12 constants": (vast(), "n.onnx"),
}
for name, place in PLACES.items():
    NETWORKS[f"a constant in other data, {name}"] = (network(external("k", place)), "n.onnx")
    NETWORKS[f"weights in other data, {name}"] = (network(weights=external("k", place)), "n.onnx")
NETWORKS["a constant of a branch in other data"] = (network(external("k", "../secret.bin"), inside=True), "n.onnx")
for name, (data, says) in NETWORKS.items():

    def net(cage: Cage, data: bytes = data) -> Words:
        (cage.folder / "secret.bin").write_bytes(bytes(4))
        (cage.folder / "n").mkdir()
        (cage.folder / "n" / "n.onnx").write_bytes(data)
        (cage.folder / "n" / "n.yaml").write_text("{resize: 16, crop: [16, 16], mean: 0, std: 255}\n")
        return cage.features(cage.folder / "n" / "n.onnx")

    beast("networks", name, INPUT, says)(net)


@beast("networks", "weights in other data in its own folder", OK)
def networks_weights_in_other_data_in_its_own_folder(cage: Cage) -> Words:
    (cage.folder / "n.onnx").write_bytes(network(external("k", "n.bin")))
    (cage.folder / "n.bin").write_bytes(struct.pack("<f", 2.0))
    (cage.folder / "n.yaml").write_text("{resize: 16, crop: [16, 16], mean: 0, std: 255}\n")
    return cage.features(cage.folder / "n.onnx")


for name, make in (
    ("a pipe", os.mkfifo),
    ("a folder", os.mkdir),
    ("/dev/zero", lambda path: os.symlink("/dev/zero", path)),
):

    def unreadable(cage: Cage, make: Callable[[Path], object] = make) -> Words:
        make(cage.folder / "n.onnx")
        return cage.features(cage.folder / "n.onnx")

    beast("networks", name, INPUT, "n.onnx")(unreadable)

for name, (data, says) in {
    "description of aliases": (LAUGHS, "aliases stand for more than"),
    "description of a tag": (b"resize: !!python/object/apply:os.system ['true']", "python/object"),
    "description of a size of 10^9": (b"{resize: 1000000000, mean: 0, std: 1}", "colours|memory|resize"),
    "description of nan": (b"{resize: 16, mean: .nan, std: 1}", "mean"),
    "description of nothing": (b"", "d.yaml"),
}.items():

    def described(cage: Cage, data: bytes = data) -> Words:
        (cage.folder / "d.yaml").write_bytes(data)
        return cage.features(None, "--preprocessing", cage.folder / "d.yaml")

    beast("networks", name, INPUT, says)(described)


# ---- checkpoints ----------------------------------------------------------------------------------------------------


def torched(value: object) -> bytes:
    held = io.BytesIO()
    torch.save(value, held)
    return held.getvalue()


def squeezed(data: bytes) -> bytes:
    """The same zip file, with every member compressed."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            after.writestr(info.filename, before.read(info.filename))
    return held.getvalue()


def stated(data: bytes) -> bytes:
    """The same checkpoint, whose pickle states tensors of 10^12 numbers where it has one of 16."""
    return data.replace(b"K\x10", b"\x8a\x06" + (10**12).to_bytes(6, "little"))


CHECKPOINTS: dict[str, tuple[bytes, str]] = {
    "a program": (torched({"x": Evil()}), "pickled Python objects"),
    "a bare pickle": (pickle.dumps({"x": Evil()}), "c.pth"),
    "a zip bomb": (squeezed(torched({"x": torch.zeros(1 << 22)})), "compressed"),
    "garbage": (np.random.default_rng(4).bytes(3000), "c.pth"),
    "empty": (b"", "c.pth.*empty"),
    "cut off": (torched({"x": torch.ones(500)})[:900], "c.pth"),
    "a list": (torched([1, 2]), "c.pth"),
    "texts": (torched({"x": "y"}), "c.pth"),
    "of nan": (torched({"x": torch.full((3,), float("nan"))}), "c.pth|sdmae"),
    "of 10^12 numbers": (stated(torched({"x": torch.zeros(16)})), "c.pth|sdmae"),
    "of safetensors that promise 10^12 numbers": (tensors(HUGE), "c.pth"),
    "of safetensors with a header of 2^60 bytes": (tensors({}, 2**60), "c.pth"),
    "a web page": (HTML, "c.pth.*web page"),
}
for name, (data, says) in CHECKPOINTS.items():

    def checkpoint(cage: Cage, data: bytes = data) -> Words:
        (cage.folder / "c.pth").write_bytes(data)
        return ["import-checkpoint", "memae", cage.folder / "c.pth", "--out", cage.out, "--recipe", "memae-small"]

    beast("checkpoints", name, INPUT, says)(checkpoint)
for name, make in (
    ("a pipe", os.mkfifo),
    ("a folder", os.mkdir),
    ("/dev/zero", lambda path: os.symlink("/dev/zero", path)),
):

    def no_checkpoint(cage: Cage, make: Callable[[Path], object] = make) -> Words:
        make(cage.folder / "c.pth")
        return ["import-checkpoint", "memae", cage.folder / "c.pth", "--out", cage.out, "--recipe", "memae-small"]

    beast("checkpoints", name, INPUT, "c.pth")(no_checkpoint)


# ---- stores of scores -----------------------------------------------------------------------------------------------


def stored(cage: Cage) -> Path:
    """A copy of the scores of the good video; the path of its score file."""
    shutil.copytree(cage.shared / "scored", cage.out)
    return cage.out / "scores" / "good.npz"


def halved(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def away(path: Path) -> Path:
    """A path whose file is removed."""
    path.unlink()
    return path


STORES: dict[str, Callable[[Path], object]] = {
    "cut off": halved,
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(3000)),
    "a single array": lambda path: path.write_bytes(saved(np.ones(5))),
    "a pickle": lambda path: path.write_bytes(pickle.dumps(Evil())),
    "a zip bomb": lambda path: path.write_bytes(stated_bomb("meta.npy", npy("(20, 8192, 8192)"))),
    "10^12 numbers": lambda path: path.write_bytes(bomb("meta.npy", npy("(1000000000000,)"), 0)),
    "a pipe": lambda path: os.mkfifo(away(path)),
    "a link to nowhere": lambda path: away(path).symlink_to("/nowhere/x"),
    "a link to /dev/zero": lambda path: away(path).symlink_to("/dev/zero"),
    "another file of scores that is cut off": lambda path: halved(Path(shutil.copy(path, path.with_name("old.npz")))),
    "another file that is a pipe": lambda path: os.mkfifo(away(path).with_name("old.npz")),
}
for name, change in STORES.items():

    def store(cage: Cage, change: Callable[[Path], object] = change) -> Words:
        change(stored(cage))
        return cage.score(cage.videos)

    beast("stores", f"scored again where the scores are {name}", OK, good=True)(store)


@beast("stores", "a folder in the place of scores", SKIPPED, "skipped good.*rename one")
def stores_a_folder_in_the_place_of_scores(cage: Cage) -> Words:
    write_video(cage.videos / "other.mkv", 9)
    path = stored(cage)
    path.unlink()
    path.mkdir()
    return cage.score(cage.videos)


def evaluating(cage: Cage) -> Words:
    """The words that evaluate stored scores on a labelled set."""
    place = cage.folder / "set"
    (place / "labels").mkdir(parents=True)
    os.link(cage.good, place / "good.mkv")
    (place / "labels" / "good.txt").write_text("0\n" * 79 + "1\n")
    return ["evaluate", cage.out, "--data", f"folder:{place}", "--no-baselines"]


@beast("stores", "stored scores that are cut off, evaluated", INPUT, "good.npz: not a score file")
def stores_stored_scores_that_are_cut_off_evaluated(cage: Cage) -> Words:
    halved(stored(cage))
    return evaluating(cage)


@beast("stores", "a record of scores that is garbage, evaluated", INPUT, "origin.json: damaged")
def stores_a_record_of_scores_that_is_garbage_evaluated(cage: Cage) -> Words:
    stored(cage).with_name("origin.json").write_bytes(DEEP)
    return evaluating(cage)


@beast("stores", "overlays of earlier scoring below the videos", OK, "left out .*overlays: overlay videos")
def stores_overlays_of_earlier_scoring_below_the_videos(cage: Cage) -> Words:
    shutil.copytree(cage.shared / "drawn", cage.videos / "out")
    return ["score", cage.run, cage.videos, "--out", cage.videos / "out", "--no-overlay"]


@beast("stores", "features where overlays of earlier scoring are", OK, "left out .*overlays: overlay videos")
def stores_features_where_overlays_of_earlier_scoring_are(cage: Cage) -> Words:
    shutil.copytree(cage.shared / "drawn", cage.videos / "deep" / "out")
    return cage.features()


@beast("stores", "fit where overlays of earlier scoring are", OK)
def stores_fit_where_overlays_of_earlier_scoring_are(cage: Cage) -> Words:
    shutil.copytree(cage.shared / "drawn", cage.videos / "out")
    return cage.fit(cage.videos)


@beast("stores", "a store of features whose record is garbage", INPUT, "store.json: damaged")
def stores_a_store_of_features_whose_record_is_garbage(cage: Cage) -> Words:
    cage.out.mkdir()
    (cage.out / "store.json").write_bytes(DEEP)
    return cage.features()


@beast("stores", "a store of features whose record is a pipe", INPUT, "store.json|not a store")
def stores_a_store_of_features_whose_record_is_a_pipe(cage: Cage) -> Words:
    cage.out.mkdir()
    os.mkfifo(cage.out / "store.json")
    return cage.features()
