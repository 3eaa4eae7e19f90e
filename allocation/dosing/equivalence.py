"""The same grams another way: subcutaneous for intravenous and back, and doses that alternate in whole vials."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from allocation.dosing.parameters import load_parameters
from allocation.dosing.schedule import Phase
from allocation.dosing.vials import round_to_vials
from allocation.errors import Fault, InputError
from allocation.quantities import MG_PER_G

__all__ = ["alternating_mg", "equivalent_g", "switched_phase"]


def equivalent_g(
    course_g: npt.ArrayLike,
    *,
    from_weeks: npt.ArrayLike,
    to_weeks: npt.ArrayLike,
    from_route: str = "IV",
    to_route: str = "SC",
) -> npt.NDArray[np.float64]:
    """A course that gives the same grams a week at another interval and by another route, before vials.

    Parameters
    ----------
    course_g, from_weeks
        Course and its interval.
    to_weeks
        The interval wanted: 1 or 2 for subcutaneous, 4 for intravenous, or any other.
    from_route, to_route
        ``IV`` or ``SC``. The ratio between the two is a parameter, one gram for one gram.

    >>> equivalent_g(30, from_weeks=4, to_weeks=1).tolist()
    [7.5]
    """
    before, after = (np.asarray(weeks, dtype=np.float64) for weeks in (from_weeks, to_weeks))
    if not ((before > 0).all() and (after > 0).all()):
        raise InputError(Fault("equivalent course", "intervals above 0 weeks", column="interval_weeks"))
    per_iv = load_parameters().subcutaneous.sc_g_per_iv_g
    ratio = {("IV", "SC"): per_iv, ("SC", "IV"): 1 / per_iv}.get((from_route, to_route), 1.0)
    return np.atleast_1d(np.asarray(course_g, dtype=np.float64) * ratio * after / before)


def alternating_mg(exact_g: float, vial_mg: tuple[int, ...], turns: int) -> tuple[int, ...]:
    """Whole-vial courses that come as close to an exact course as they can without passing it, taken together.

    Parameters
    ----------
    exact_g
        The course wanted.
    turns
        Courses over which the difference is made up.

    Returns
    -------
    tuple of int
        Milligrams of each turn. After every turn their sum is the most that vials allow without passing the exact sum.

    >>> alternating_mg(7.5, (1000, 2000, 4000, 10000), 4)
    (7000, 8000, 7000, 8000)
    """
    if turns < 1:
        raise InputError(Fault("alternating courses", "1 turn or more", column="turns", value=str(turns)))
    given, courses = 0, []
    for turn in range(1, turns + 1):
        owed_g = max(exact_g * turn - given / MG_PER_G, 0.0)
        courses.append(int(round_to_vials(owed_g, vial_mg, "down")[0]))
        given += courses[-1]
    return tuple(courses)


def switched_phase(
    course_mg: int,
    *,
    from_weeks: float,
    to_weeks: float,
    vial_mg: tuple[int, ...],
    from_route: str = "IV",
    to_route: str = "SC",
    courses: int | None = None,
) -> Phase:
    """The phase that follows a switch: same grams a week, whole vials of the new product, alternating where need be.

    The turns alternate over one old interval, so that it holds the grams it held before as nearly as vials allow.
    """
    exact = equivalent_g(
        course_mg / MG_PER_G, from_weeks=from_weeks, to_weeks=to_weeks, from_route=from_route, to_route=to_route
    )
    turns = max(1, round(from_weeks / to_weeks))
    doses = alternating_mg(float(exact[0]), vial_mg, turns)
    name = f"{to_route} instead of {from_route}" if from_route != to_route else f"every {to_weeks:g} weeks"
    return Phase(name, doses, interval_weeks=(float(to_weeks),), courses=courses)
