"""How a command ends: exit codes, and what is said of a command that was stopped."""

__all__ = ["BAD_INPUT", "DEFECT", "STOPPED", "STOPPED_CLEANLY"]

BAD_INPUT = 2
DEFECT = 1
STOPPED = 130
STOPPED_CLEANLY = "Nothing was written half."
