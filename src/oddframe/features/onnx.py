"""Extractor from any ONNX network for images or clips. A short YAML file describes the input of the network.

The YAML file lies beside the network (FILE.yaml beside FILE.onnx) or is named by the user. `Description` has its keys.

Letters of a layout: N inputs of the network (frames or snippets), T frames of a clip, H x W pixels, C channels.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from oddframe.atomic import replacing, write_text
from oddframe.errors import InputError
from oddframe.extras import imported
from oddframe.features.extractor import ABOUT, FORMAT, SNIPPET, Extractor, Preprocessing, check_frames, pooled
from oddframe.processes import cores
from oddframe.reading.guard import reading
from oddframe.reading.networks import external_data, refuse_external_data
from oddframe.reading.tables import read_text
from oddframe.reading.yaml_values import yaml_value
from oddframe.suggest import among
from oddframe.types import LONGEST_SIDE, Resize

MODEL = "model.onnx"
DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
EXAMPLE = "resize: [224, 224], mean: 127.5, std: 127.5"

Triple = tuple[float, float, float]


class Description(BaseModel):
    """The input of an ONNX network, the content of its YAML file. Unknown keys are an error.

    Attributes:
        name: of the backbone; by default the name of the file.
        kind: "frames" for a network for single images, whose vectors are averaged over a snippet; or "clips".
        resize: length of the shorter side, with the other in proportion; or [height, width].
        crop: [height, width] of the crop; by default the size of the network's input or, if that is free, `resize`.
        colour: order of the channels, "rgb" or "bgr".
        mean, std: one number or three, in the order of `colour`, for pixels 0..255: x = (pixel - mean) / std.
        interpolation: of the resize.
        layout: axes of the input: N first, then C, H, W and for clips T in any order; by default NCHW or NCTHW.
        input: name of the input, only for a check. The network must have exactly one input.
        output: name of the output, if there are several.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]+$")
    kind: Literal["frames", "clips"] = "frames"
    resize: int | tuple[int, int]
    crop: tuple[int, int] | None = None
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: Triple
    std: Triple
    interpolation: Resize = "bilinear"
    layout: str = ""
    input: str | None = None
    output: str | None = None

    @field_validator("mean", "std", mode="before")
    @classmethod
    def one_or_three(cls, value: Any) -> Any:
        return (value,) * 3 if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def possible(self) -> Self:
        if min(self.std) <= 0 or not np.isfinite((*self.mean, *self.std)).all():
            raise ValueError("std must be above 0, mean and std finite")
        height, width = (self.resize,) * 2 if isinstance(self.resize, int) else self.resize
        if min(height, width) < 1:
            raise ValueError("resize must be at least 1 pixel")
        if max(height, width) > LONGEST_SIDE:
            raise ValueError(f"resize must be at most {LONGEST_SIDE} pixels")
        if self.crop and not (1 <= self.crop[0] <= height and 1 <= self.crop[1] <= width):
            raise ValueError(f"crop {list(self.crop)} does not fit into what resize leaves")
        if self.layout and (sorted(self.layout) != sorted(self.axes) or self.layout[0] != "N"):
            raise ValueError(f"layout {self.layout!r} must have each of the letters {self.axes} once, N first")
        return self

    @property
    def axes(self) -> str:
        """The usual layout of this kind of network."""
        return "NCHW" if self.kind == "frames" else "NCTHW"


def read_description(path: Path) -> Description:
    """Read a YAML file.

    Raises:
        InputError: the file is missing, is not YAML, or has an unknown key or an impossible value.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: there is no such file; it describes the input of the network, for example {{{EXAMPLE}}}"
        )
    with reading(path, "not YAML", "correct it"):
        content = yaml_value(read_text(path))
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no keys and values; an example: {{{EXAMPLE}}}")
    return described(content, str(path))


def described(content: dict[str, Any], what: str) -> Description:
    """Convert plain values to a checked description.

    Raises:
        InputError: there is an unknown key or an impossible value. The message names it and `what`.
    """
    try:
        return Description.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"no such key{among(key, Description.model_fields)}"
        raise InputError(f"{what}: {key + ': ' if key else ''}{message}") from None


class ONNXExtractor(Extractor):
    """An ONNX network that onnxruntime runs, on as many threads as `oddframe.processes.cores` gives.

    Attributes:
        frames: T of the input if the network fixes it; then that many evenly spaced frames of a snippet are used.
    """

    def __init__(self, model: bytes, description: Description, name: str, what: str) -> None:
        """Start onnxruntime, and run the network once on a blank snippet.

        Args:
            model: content of a self-contained ONNX file.
            description: the input of the network.
            name: of the backbone.
            what: name of the network in messages.

        Raises:
            InputError: onnxruntime is not installed or cannot read the file, or network and description disagree.
        """
        refuse_external_data(model, what)
        self.model, self.description, self.name, self.what = model, description, name, what
        self.kind = description.kind
        self.layout = description.layout or description.axes
        self.session = self.opened("cpu")
        if len(self.session.get_inputs()) > 1:
            raise InputError(f"{what}: has {len(self.session.get_inputs())} inputs; only networks with one can be used")
        self.input = pick(self.session.get_inputs(), description.input, f"{what}: input")
        self.output = pick(self.session.get_outputs(), description.output, f"{what}: output")
        if self.input.type not in DTYPES:
            raise InputError(f"{what}: takes {self.input.type}; supported are {', '.join(DTYPES)}")
        if len(self.input.shape) != len(self.layout):
            raise InputError(
                f"{what}: its input has {len(self.input.shape)} axes, layout {self.layout} has {len(self.layout)}; "
                "a network for clips needs `kind: clips`"
            )
        axes = dict(zip(self.layout, self.input.shape, strict=True))
        fixed = {axis: length for axis, length in axes.items() if isinstance(length, int)}
        self.batch = fixed.get("N")
        self.frames = fixed.get("T")
        self.preprocessing = self.preprocessed(fixed)
        if self.frames is not None and self.frames > SNIPPET:
            raise InputError(f"{what}: takes clips of {self.frames} frames; a snippet has {SNIPPET}")
        self.least = self.frames or 1
        blank = np.zeros((1, self.least, *self.preprocessing.crop, 3), np.uint8)
        self.dim = self.embed(blank).shape[1]

    @classmethod
    def open(cls, path: Path, description: Path | None = None, name: str | None = None) -> Self:
        """Read an ONNX file, the weight files that it names, and its description, by default FILE.yaml.

        Raises:
            InputError: a file is missing or wrong, or a library is not installed.
        """
        onnx = imported("onnx", "onnx")
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; give an ONNX network as onnx:FILE")
        words = read_description(description or path.with_suffix(".yaml"))
        with reading(path, "not an ONNX file that can be read", "export the network again, in one file"):
            model = path.read_bytes()
            if external_data(model):
                model = onnx.load(path).SerializeToString(deterministic=True)
            else:
                onnx.load_model_from_string(model)
        return cls(model, words, name or words.name or re.sub(r"[^A-Za-z0-9_-]", "_", path.stem), str(path))

    def opened(self, device: str) -> Any:
        """Open a session on a device."""
        runtime = imported("onnxruntime", "onnx")
        kind, _, number = device.partition(":")
        provider = PROVIDERS.get(kind)
        if provider not in runtime.get_available_providers():
            raise InputError(
                f"{self.name}: the installed onnxruntime cannot compute on {device!r}; "
                "use cpu, or install onnxruntime-gpu for cuda"
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # an error comes as an exception, too
        settings = [(provider, {"device_id": int(number or 0)} if kind == "cuda" else {})]
        try:
            return runtime.InferenceSession(self.model, options, providers=settings)
        except Exception as error:  # of many kinds, all onnxruntime's own
            raise InputError(f"{self.what}: onnxruntime cannot run it: {' '.join(str(error).split())}") from None

    def preprocessed(self, fixed: dict[str, int]) -> Preprocessing:
        """The preprocessing of the description, checked against the fixed axes of the network's input."""
        words, what = self.description, self.what
        if fixed.get("C", 3) != 3:
            raise InputError(f"{what}: takes {fixed['C']} channels, not 3; is {self.layout} its layout?")
        sides = (words.resize,) * 2 if isinstance(words.resize, int) else words.resize
        crop = words.crop or (fixed.get("H", sides[0]), fixed.get("W", sides[1]))
        if crop[0] > sides[0] or crop[1] > sides[1]:
            raise InputError(f"{what}: takes {crop[0]}x{crop[1]} pixels, more than resize leaves")
        for axis, length in zip("HW", crop, strict=True):
            if fixed.get(axis, length) != length:
                raise InputError(f"{what}: takes {axis} = {fixed[axis]}, but crop says {length}")
        if DTYPES[self.input.type] is np.uint8 and (any(words.mean) or set(words.std) != {1.0}):
            raise InputError(f"{what}: takes uint8, so that mean must be 0 and std 1")
        return Preprocessing(words.resize, crop, words.colour, words.mean, words.std, words.interpolation)

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        check_frames(self, frames)
        if self.frames is not None:
            frames = frames[:, np.arange(self.frames) * frames.shape[1] // self.frames]
        snippets, length = frames.shape[:2]
        x = frames.reshape(-1, *frames.shape[2:]) if self.kind == "frames" else frames
        axes = "NHWC" if self.kind == "frames" else "NTHWC"
        x = np.ascontiguousarray(x.transpose([axes.index(axis) for axis in self.layout]))
        vectors = self.run(self.normalised(x))
        if self.kind == "frames":
            vectors = pooled(vectors.reshape(snippets, length, -1), self.channels)
        return vectors

    def normalised(self, x: NDArray[np.uint8]) -> NDArray[Any]:
        """Normalise pixels in the layout of the network, and convert them to the type of its input."""
        dtype = DTYPES[self.input.type]
        if dtype is np.uint8:
            return x
        along = [-1 if axis == "C" else 1 for axis in self.layout]
        y = x.astype(np.float32)
        y -= np.array(self.preprocessing.mean, np.float32).reshape(along)
        y /= np.array(self.preprocessing.std, np.float32).reshape(along)
        return y.astype(dtype, copy=False)

    def run(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """(N, D) vectors of N inputs. If the network fixes N, it runs on parts, the last of which is padded.

        Raises:
            InputError: the network fails, or does not give one vector per input.
        """
        step = self.batch or len(x)
        parts = []
        for start in range(0, len(x), step):
            piece = x[start : start + step]
            count = len(piece)
            if count < step:
                piece = np.concatenate([piece, np.repeat(piece[-1:], step - count, 0)])
            try:
                (y,) = self.session.run([self.output.name], {self.input.name: piece})
            except Exception as error:  # of many kinds, all onnxruntime's own
                raise InputError(f"{self.what}: onnxruntime cannot run it: {' '.join(str(error).split())}") from None
            if y.ndim != 2 or len(y) != step:
                raise InputError(
                    f"{self.what}: output {self.output.name!r} has shape {y.shape} for {step} inputs, not one "
                    "vector for each; name another output, or average over positions inside the network"
                )
            parts.append(y[:count])
        return np.concatenate(parts).astype(np.float32, copy=False)

    def to(self, device: str) -> None:
        self.session = self.opened(device)

    def weights_hash(self) -> str:
        return hashlib.sha256(self.model).hexdigest()[:12]

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "layout": self.layout, "input": self.input.name, "output": self.output.name}

    def save(self, folder: Path) -> None:
        with replacing(folder / MODEL) as temporary:
            temporary.write_bytes(self.model)
        about = {
            "format": FORMAT,
            "spec": "onnx",
            "name": self.name,
            "channels": self.channels,
            "preprocessing": asdict(self.preprocessing),
            "description": self.description.model_dump(mode="json"),
        }
        write_text(folder / ABOUT, json.dumps(about, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path, about: dict[str, Any]) -> Self:
        """Load what `save` wrote to `folder`. `about` is the content of its `extractor.json`.

        Raises:
            InputError, KeyError, OSError: the folder is damaged.
        """
        description = described(about["description"], str(folder / ABOUT))
        return cls((folder / MODEL).read_bytes(), description, about["name"], str(folder / MODEL))


def pick(nodes: list[Any], name: str | None, what: str) -> Any:
    """The input or output with this name; without a name, the only one.

    Raises:
        InputError: there is none with this name, or there are several and no name.
    """
    names = [node.name for node in nodes]
    if name is None and len(nodes) > 1:
        raise InputError(f"{what}: there are several, name one in the YAML: {', '.join(names)}")
    found = [node for node in nodes if name in (None, node.name)]
    if not found:
        raise InputError(f"{what}: there is no {name!r}{among(str(name), names)}")
    return found[0]
