"""Networks that keep weights in other files are seen before a library opens them."""

from __future__ import annotations

from pathlib import Path

import pytest

from oddframe.errors import InputError
from oddframe.reading.networks import external_data, refuse_external_data
from oddframe.runtime.sessions import open_session
from tests.torture.odd_networks import external, network


@pytest.mark.parametrize("inside", [False, True])
def test_a_constant_in_another_file_is_seen_wherever_it_stands(tmp_path: Path, inside: bool) -> None:
    model = network(external("k", "../secret.bin"), inside=inside)
    assert external_data(model)
    path = tmp_path / "network.onnx"
    path.write_bytes(model)
    with pytest.raises(InputError, match=r"network\.onnx: keeps weights in other files"):
        refuse_external_data(path, path)
    for library in ("onnx", "openvino"):
        with pytest.raises(InputError, match=r"network\.onnx: keeps weights in other files"):
            open_session(library, path, "fp32", "cpu")
