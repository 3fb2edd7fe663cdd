"""What is stored in a folder of weights, from headers and small files; tensor data is never read.

The bundles carry checkers of their own that need nothing but a shell or Python. They ask less, and whatever they refuse is
refused here too.
"""

from __future__ import annotations

from glmdeploy.stored.check import Report, check

__all__ = ["Report", "check"]
