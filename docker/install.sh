#!/bin/sh
# Makes a virtual environment with the wheel that lies in WHEELS (/wheels), and takes out what no program needs at run
# time: pip, tests of libraries, headers, type stubs, compiled Python and debugging symbols.
#
#   install.sh VENV EXTRAS
set -eu
venv=$1 extras=$2
wheel=$(ls "${WHEELS:-/wheels}"/oddframe-*.whl)

python3 -m venv "$venv"
if [ -n "${TORCH_INDEX:-}" ]; then
    "$venv/bin/python" -m pip install --no-cache-dir --index-url "$TORCH_INDEX" torch
fi
"$venv/bin/python" -m pip install --no-cache-dir --no-compile --disable-pip-version-check "$wheel[$extras]"
"$venv/bin/python" -m pip uninstall --yes --quiet pip

packages=$("$venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
find "$packages" -depth -type d \( -name __pycache__ -o -name tests -o -name test \) \
    -not -path "*/torch/*" -not -path "*/oddframe/*" -exec rm -rf {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.h' -o -name '*.hpp' -o -name '*.a' \) -not -path "*/torch/*" -delete
rm -rf "$packages"/openvino/include "$packages"/openvino/cmake "$packages"/openvino/tools
# Of OpenVINO, what serves GPUs and other formats than ONNX and its own.
libraries=$packages/openvino/libs
rm -f "$libraries"/libopenvino_intel_gpu* "$libraries"/libopenvino_intel_npu* "$libraries"/cache.json
for format in tensorflow tensorflow_lite pytorch paddle gguf jax; do
    rm -f "$libraries/libopenvino_${format}_frontend.so"*
done
# `python3 -m venv` brings setuptools on older versions of Python; nothing imports it.
rm -rf "$packages"/setuptools "$packages"/setuptools-*.dist-info "$packages"/pkg_resources "$packages"/_distutils_hack \
    "$packages"/distutils-precedence.pth
