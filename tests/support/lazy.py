"""Lazy imports (PEP 810) in tests: their live code does not compile before Python 3.15."""

from __future__ import annotations

import sys

import pytest

needs_lazy_imports = pytest.mark.skipif(
    sys.version_info < (3, 15), reason="lazy imports (PEP 810) are new in Python 3.15"
)
