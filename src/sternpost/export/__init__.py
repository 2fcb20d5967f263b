"""Room 3: a fitted estimator becomes ONNX, and is refused unless both agree.

Models see float32 rows. `export_model` converts, compares the result with the estimator on the reference
rows and on rows made to sit on and next to every threshold, and raises rather than hand over a model that
answers differently. The heavy libraries are imported when a model is exported, not before.
"""

from __future__ import annotations

from sternpost.export.exported import ExportedModel, export_model
from sternpost.export.report import ParityReport
from sternpost.export.spec import ModelSpec

__all__ = ["ExportedModel", "ModelSpec", "ParityReport", "export_model"]
