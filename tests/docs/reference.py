"""What docs/operating.md must say of each setting: the line below its heading."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from keyfold.settings import Settings


def facts(name: str) -> str:
    """Write default, bounds and choices of a setting, as the document has them."""
    field = Settings.model_fields[name]
    parts = [f"Default: {_shown(field.get_default(call_default_factory=True))}."]
    limits = {kind: getattr(rule, kind) for rule in field.metadata for kind in ("ge", "gt", "le")
              if hasattr(rule, kind)}  # fmt: skip
    match limits:
        case {"ge": least, "le": most}:
            parts.append(f"From {_shown(least)} to {_shown(most)}.")
        case {"ge": least}:
            parts.append(f"At least {_shown(least)}.")
        case {"gt": above}:
            parts.append(f"More than {_shown(above)}.")
        case {}:
            pass
        case _:
            raise AssertionError(f"{name} has bounds that are not written yet: {limits}")
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    if choices:
        parts.append(f"One of {', '.join(_shown(choice) for choice in choices)}.")
    return " ".join(parts)


def _shown(value: Any) -> str:
    match value:
        case () | {}:
            return "none"
        case Path() | str():
            return f"`{value}`"
        case int() if value >= 1 << 20 and value % (1 << 20) == 0:
            return f"`{value}` ({value >> 20} MiB)"
        case float() if value.is_integer():
            return f"`{int(value)}`"
        case _:
            return f"`{value}`"
