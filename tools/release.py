"""What a release is made of: wheel and sdist, the exact libraries with their hashes, and a list of them (SBOM).

    python tools/release.py [--out dist] [--extras runtime,live]

`requirements-EXTRAS.txt` holds every library that the wheel needs with those extras, at the version that pip chooses,
with the SHA-256 of its file. On a machine of the same kind,

    pip install --require-hashes --no-deps -r requirements-runtime-live.txt
    pip install --no-deps oddframe-VERSION-py3-none-any.whl

installs exactly these files. `sbom-EXTRAS.json` is the same list in CycloneDX 1.5. Neither names the package index.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Build, resolve and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--extras", default="runtime,live")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    pip("wheel", "--no-deps", "--wheel-dir", str(chosen.out), str(ROOT))
    build_sdist(chosen.out)
    wheel = max(chosen.out.glob("oddframe-*.whl"), key=lambda path: path.stat().st_mtime)
    report, wanted = chosen.out / "report.json", f"{wheel}[{chosen.extras}]"
    constraints = ["-c", str(ROOT / "constraints.txt")]
    pip("install", "--dry-run", "--ignore-installed", *constraints, "--report", str(report), wanted)
    found = json.loads(report.read_text(encoding="utf-8"))["install"]
    report.unlink()
    libraries = sorted(map(library, found), key=lambda one: one["name"].lower())
    libraries = [one for one in libraries if one["name"] != "oddframe"]
    ending = chosen.extras.replace(",", "-")
    (chosen.out / f"requirements-{ending}.txt").write_text(requirements(libraries), encoding="utf-8")
    (chosen.out / f"sbom-{ending}.json").write_text(
        json.dumps(bill(libraries, wheel), indent=1) + "\n", encoding="utf-8"
    )
    print(f"{wheel.name}, sdist, {len(libraries)} libraries with hashes, and their bill are in {chosen.out}")


def pip(*words: str) -> None:
    """Run pip."""
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words], check=True)


def build_sdist(out: Path) -> None:
    """Make the sdist with hatchling, which is among the libraries for development."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(out.resolve())], check=True, cwd=ROOT
    )


def library(entry: dict[str, Any]) -> dict[str, str]:
    """Name, version, licence and hash of a library, of an entry of pip's report."""
    about, origin = entry["metadata"], entry["download_info"]
    licence = about.get("license_expression") or about.get("license") or ""
    return {
        "name": about["name"],
        "version": about["version"],
        "licence": licence.partition("\n")[0].strip()[:80],
        "sha256": origin.get("archive_info", {}).get("hashes", {}).get("sha256", ""),
    }


def requirements(libraries: list[dict[str, str]]) -> str:
    """The libraries as lines for `pip install --require-hashes`."""
    lines = [f"# Made on Python {platform.python_version()}, {platform.system()} {platform.machine()}."]
    lines += [f"{one['name']}=={one['version']} --hash=sha256:{one['sha256']}" for one in libraries]
    return "\n".join(lines) + "\n"


def bill(libraries: list[dict[str, str]], wheel: Path) -> dict[str, Any]:
    """The libraries as a bill of materials in CycloneDX."""
    parts = []
    for one in libraries:
        part: dict[str, Any] = {
            "type": "library",
            "name": one["name"],
            "version": one["version"],
            "purl": f"pkg:pypi/{one['name'].lower().replace('_', '-')}@{one['version']}",
            "hashes": [{"alg": "SHA-256", "content": one["sha256"]}],
        }
        parts.append(part | ({"licenses": [{"license": {"name": one["licence"]}}]} if one["licence"] else {}))
    version = wheel.name.split("-")[1]
    about = {"component": {"type": "application", "name": "oddframe", "version": version}}
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": about, "components": parts}


if __name__ == "__main__":
    main()
