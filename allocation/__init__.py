"""igalloc: prioritise and allocate immunoglobulin in a shortage, and rehearse the shortage first.

A planning tool, not a clinical decision tool.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
