"""The number of random applications: few and fixed in `make test`, thousands in `test-slow`.

`HYPOTHESIS_PROFILE=slow` chooses the second, `part` as many of them as `MODEL_EXAMPLES` says.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_PATIENT = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}

settings.register_profile("fast", max_examples=60, derandomize=True, database=None, **_PATIENT)  # type: ignore[arg-type]
# To explain a failure takes hypothesis longer than to find and shrink it.
_PHASES = [phase for phase in Phase if phase is not Phase.explain]
settings.register_profile("slow", max_examples=5000, phases=_PHASES, **_PATIENT)  # type: ignore[arg-type]
# A part of these, chosen by `--hypothesis-seed`.
_PART = int(os.environ.get("MODEL_EXAMPLES", "200"))
settings.register_profile(
    "part",
    max_examples=_PART,
    phases=_PHASES,
    database=None,
    **_PATIENT,  # type: ignore[arg-type]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
