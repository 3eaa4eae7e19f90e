"""Cohorts: the file of patients, its checks, the synthetic generator and the demand of the graded.

Import from the modules: :mod:`~allocation.cohort.schema` for the columns of a cohort frame,
:mod:`~allocation.cohort.load` and :mod:`~allocation.cohort.write` for files,
:mod:`~allocation.cohort.dictionary` for the data dictionary. Nothing is imported here, so that a command that needs one
of them does not pay for all.
"""
