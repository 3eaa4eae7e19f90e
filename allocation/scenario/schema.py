"""JSON Schema of a scenario file, for editors that complete and check as one types.

A file says only what differs from the one it extends, so the schema asks for a name and a title alone; what else is
missing is told when the scenario is loaded. ``python -m allocation.scenario.schema`` prints it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from allocation.scenario.models import Scenario

__all__ = ["schema_text"]

_MERGED = ("Run", "LeadTime", "Supply", "Controller", "Demand", "Hours")
"""Tables that are merged key by key with those of the scenario extended."""


def schema_text() -> str:
    """The schema as JSON with sorted keys and a newline at the end."""
    schema: dict[str, Any] = Scenario.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["required"] = ["name", "title"]
    for name in _MERGED:
        schema["$defs"][name].pop("required", None)
    return json.dumps(schema, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
