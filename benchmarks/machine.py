"""Where a run took place: the machine's kind and the libraries' versions; no names, no addresses, no folders."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

LIBRARIES = (
    "sternpost", "numpy", "pyarrow", "numba", "llvmlite", "onnxruntime", "onnx", "skl2onnx", "onnxmltools",
    "scikit-learn", "lightgbm", "pandas", "polars",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Processor, processors this process may use, caches, memory, operating system."""
    return {
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)),
        "second_level_cache": _first_line("/sys/devices/system/cpu/cpu0/cache/index2/size"),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "virtual": "hypervisor" in _cpuinfo().get("flags", "").split(),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Installed versions of what takes part."""
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "in place"
    return found


def load() -> float:
    """Processes that wanted to run in the last minute, per processor: above 1 the figures are disturbed."""
    return round(os.getloadavg()[0] / len(os.sched_getaffinity(0)), 2)


def _processor() -> str:
    info = _cpuinfo()
    if "model name" not in info:
        return platform.machine()
    return f"{info['model name']} (family {info.get('cpu family')}, model {info.get('model')})"


def _cpuinfo() -> dict[str, str]:
    text = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _first_line(path: str) -> str | None:
    file = Path(path)
    return file.read_text().strip() if file.exists() else None
