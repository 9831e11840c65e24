"""The comparisons of the filter language: the value an event has, and the operand that a filter names.

Each looks at the value as a whole, a list included. Where the question makes no sense (a limit for a list, a text
within a number) the answer is no, also for `$nin`; only `$neq` is the plain opposite of `$eq`.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeGuard

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Comparison = Callable[[Json, Json], bool]


def same_scalar(one: Json, other: Json) -> bool:
    """Say whether two scalars are the same: numbers as doubles, everything else within its own type."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return _double(one) == _double(other)
    return type(one) is type(other) and one == other


def operand_problem(name: str, operand: Json) -> str | None:
    """Return what keeps a comparison with this operand from ever holding, as the end of a sentence."""
    match name:
        case "$gt" | "$gte" | "$lt" | "$lte":
            return None if isinstance(operand, str) or _is_number(operand) else "must be a number or a string"
        case "$in" | "$nin":
            return "must not be an object" if isinstance(operand, dict) else None
        case "$startsWith" | "$endsWith":
            texts = operand if isinstance(operand, list) else [operand]
            return None if all(isinstance(each, str) for each in texts) else "must be a string or a list of strings"
        case "$exist":
            return None if isinstance(operand, bool) else "must be true or false"
        case _:
            return None


def _deeply_equal(one: Json, other: Json) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_deeply_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_deeply_equal(*pair) for pair in zip(one, other, strict=True))
    return same_scalar(one, other)


def _double(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _is_number(value: Json) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordering(compare: Callable[[Any, Any], bool]) -> Comparison:
    def holds(value: Json, operand: Json) -> bool:
        if isinstance(value, str) and isinstance(operand, str):
            return compare(value, operand)
        return _is_number(value) and _is_number(operand) and compare(_double(value), _double(operand))

    return holds


def _contained(value: Json, operand: Json) -> bool | None:
    """Whether one holds the other; None where the question makes no sense."""
    if isinstance(operand, list):
        return None if isinstance(value, dict | list) else any(same_scalar(value, each) for each in operand)
    if isinstance(operand, dict):
        return None
    if isinstance(value, list):
        return any(same_scalar(each, operand) for each in value)
    if isinstance(operand, str) and isinstance(value, str):
        return operand in value
    return None


def _affix(test: Callable[[str, str], bool]) -> Comparison:
    def holds(value: Json, operand: Json) -> bool:
        if not isinstance(value, str):
            return False
        for each in operand if isinstance(operand, list) else [operand]:
            if not isinstance(each, str):
                return False
            if test(value, each):
                return True
        return False

    return holds


COMPARISONS: Final[Mapping[str, Comparison]] = {
    "$eq": _deeply_equal,
    "$neq": lambda value, operand: not _deeply_equal(value, operand),
    "$gt": _ordering(operator.gt),
    "$gte": _ordering(operator.ge),
    "$lt": _ordering(operator.lt),
    "$lte": _ordering(operator.le),
    "$in": lambda value, operand: _contained(value, operand) is True,
    "$nin": lambda value, operand: _contained(value, operand) is False,
    "$startsWith": _affix(str.startswith),
    "$endsWith": _affix(str.endswith),
    "$exist": lambda _, operand: operand is True,
}
