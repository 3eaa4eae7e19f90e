"""For every test: in CI hypothesis tries the same examples each time, so that a red run tells of the change."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
