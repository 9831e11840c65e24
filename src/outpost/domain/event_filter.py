"""The filter language: a JSON object that an event must match.

    {"topic": "order.paid", "data": {"amount": {"$gte": 100}, "status": {"$not": {"$in": ["test", "draft"]}}}}

Every key of every object must hold. A key is a field name or an operator:

    fields      equal to a scalar; one element of a list suffices; objects are matched key by key
    $or $and    a list of alternatives, of conditions that all must hold
    $not        the opposite of one condition
    the rest    compare the value itself, a list as a whole

A field that is absent matches only `{"$exist": false}`. A comparison of unlike types is false, also a negative one.
Filters are compiled once into nested functions, so that matching an event walks no filter again.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Json = Any
Test = Callable[[Json], bool]

DEEPEST: Final = 64
"""Objects and lists within each other; a deeper filter is refused when written, and matches nothing."""

_ABSENT = object()


class EventFilter:
    """A compiled filter."""

    __slots__ = ("_test", "uses_data")

    def __init__(self, test: Test, *, uses_data: bool) -> None:
        self._test = test
        self.uses_data = uses_data
        """Whether the event's data must be parsed to decide."""

    def matches(self, document: Mapping[str, Json]) -> bool:
        """Say whether `document`, made of an event, satisfies the filter; never raises."""
        try:
            return self._test(document)
        except RecursionError:  # data nested past anything a filter could mean
            return False


def compile_filter(schema: Mapping[str, Json] | None) -> EventFilter:
    """Compile a stored filter. What is wrong in it matches nothing; it raises nothing."""
    if not schema:
        return EventFilter(_always, uses_data=False)
    if _depth(schema) > DEEPEST:
        return EventFilter(_never, uses_data=False)
    return EventFilter(_conditions(schema), uses_data=_mentions_data(schema))


def check_filter(schema: Json) -> list[str]:
    """Return what is wrong with a filter that someone wants to store, one sentence each."""
    if not isinstance(schema, dict):
        return ["filter must be a JSON object"]
    if _depth(schema) > DEEPEST:
        return [f"filter is nested deeper than {DEEPEST} levels"]
    problems: list[str] = []
    _check(schema, "filter", problems)
    return problems


# --- compiling: `_conditions` is the object test, `_value` the test of one value


def _conditions(schema: Mapping[str, Json]) -> Test:
    """All keys must hold for the value; it is the object whose fields are named, or a scalar under operators."""
    tests = [_condition(key, operand) for key, operand in schema.items()]
    if len(tests) == 1:
        return tests[0]
    return lambda value: all([test(value) for test in tests])


def _condition(key: str, operand: Json) -> Test:
    if key == "$not":
        inner = _value(operand)
        return lambda value: not inner(value)
    if key in ("$or", "$and") and isinstance(operand, list):
        alternatives = [_value(each) for each in operand]
        if key == "$or":
            return lambda value: any(test(value) for test in alternatives)
        return lambda value: all(test(value) for test in alternatives)
    if key in _OPERATORS:
        compare = _OPERATORS[key]
        return lambda value: compare(value, operand)
    return _field(key, operand)


def _field(name: str, operand: Json) -> Test:
    wants_absence = isinstance(operand, dict) and operand.get("$exist") is False
    test = _value(operand)

    def holds(value: Json) -> bool:
        if not isinstance(value, dict):
            return False
        found = value.get(name, _ABSENT)
        if found is _ABSENT:
            return wants_absence
        return test(found)

    return holds


def _value(schema: Json) -> Test:
    if isinstance(schema, dict):
        return _object_value(schema)
    if isinstance(schema, list):
        tests = [_value(each) for each in schema]
        return lambda value: isinstance(value, list) and all(any(test(each) for each in value) for test in tests)

    def equals(value: Json) -> bool:
        if isinstance(value, list):
            return any(equals(each) for each in value)
        return _equal(value, schema) if not isinstance(value, dict) else False

    return equals


def _object_value(schema: Mapping[str, Json]) -> Test:
    whole = _conditions(schema)
    if any(key in _OPERATORS for key in schema):
        return whole  # operators speak about the value as a whole, a list included
    if not schema:
        # An empty object is a condition on objects: it holds for every object, and for a list with one in it.
        return lambda value: (
            isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value))
        )
    negative = "$not" in schema

    def holds(value: Json) -> bool:
        if not isinstance(value, list):
            return whole(value)
        # "not x" of a list means that no element is x, so the list is asked as a whole too.
        return all(whole(each) for each in value) if negative else any(whole(each) for each in value)

    return holds


# --- comparing


def _equal(one: Json, other: Json) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return _double(one) == _double(other)
    return type(one) is type(other) and one == other


def _deep_equal(one: Json, other: Json) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_deep_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_deep_equal(*pair) for pair in zip(one, other, strict=True))
    return _equal(one, other)


def _double(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Json, Json], bool]:
    def holds(value: Json, operand: Json) -> bool:
        if isinstance(value, str) and isinstance(operand, str):
            return compare(value, operand)
        return _is_number(value) and _is_number(operand) and compare(_double(value), _double(operand))

    return holds


def _membership(value: Json, operand: Json) -> bool | None:
    """Whether value is in operand; None where the question makes no sense."""
    if isinstance(operand, list):
        return None if isinstance(value, dict | list) else any(_equal(value, each) for each in operand)
    if isinstance(operand, dict):
        return None
    if isinstance(value, list):
        return any(_equal(each, operand) for each in value)
    if isinstance(operand, str) and isinstance(value, str):
        return operand in value
    return None


def _affix(holds: Callable[[str, str], bool]) -> Callable[[Json, Json], bool]:
    def test(value: Json, operand: Json) -> bool:
        if not isinstance(value, str):
            return False
        for each in operand if isinstance(operand, list) else [operand]:
            if not isinstance(each, str):
                return False
            if holds(value, each):
                return True
        return False

    return test


_OPERATORS: Final[Mapping[str, Callable[[Json, Json], bool]]] = {
    "$eq": _deep_equal,
    "$neq": lambda value, operand: not _deep_equal(value, operand),
    "$gt": _ordering(lambda one, other: one > other),
    "$gte": _ordering(lambda one, other: one >= other),
    "$lt": _ordering(lambda one, other: one < other),
    "$lte": _ordering(lambda one, other: one <= other),
    "$in": lambda value, operand: _membership(value, operand) is True,
    "$nin": lambda value, operand: _membership(value, operand) is False,
    "$startsWith": _affix(str.startswith),
    "$endsWith": _affix(str.endswith),
    "$exist": lambda _, operand: operand is True,
}
_LOGIC: Final = ("$or", "$and", "$not")


def _always(_: Json) -> bool:
    return True


def _never(_: Json) -> bool:
    return False


# --- looking at a filter without an event


def _mentions_data(schema: Json) -> bool:
    if isinstance(schema, dict):
        return "data" in schema or any(_mentions_data(schema[key]) for key in _LOGIC if key in schema)
    return isinstance(schema, list) and any(_mentions_data(each) for each in schema)


def _depth(schema: Json) -> int:
    """How deep objects and lists lie within each other, at most DEEPEST + 1; without recursion."""
    level, depth = [schema], 0
    while level and depth <= DEEPEST:
        inner: list[Json] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        level = [each for each in inner if isinstance(each, dict | list)]
        depth += 1
    return depth


def _check(schema: Json, path: str, problems: list[str]) -> None:
    if isinstance(schema, list):
        for number, each in enumerate(schema):
            _check(each, f"{path}[{number}]", problems)
    if not isinstance(schema, dict):
        return
    for key, operand in schema.items():
        here = f"{path}.{key}"
        if key in ("$or", "$and") and not isinstance(operand, list):
            problems.append(f"{here} must be a list")
        elif key.startswith("$") and key not in _OPERATORS and key not in _LOGIC:
            problems.append(f"{here} is not an operator")
        elif key in _OPERATORS:
            problem = _operand_problem(key, operand)
            if problem:
                problems.append(f"{here} {problem}")
        else:
            _check(operand, here, problems)


def _operand_problem(operator: str, operand: Json) -> str:
    match operator:
        case "$gt" | "$gte" | "$lt" | "$lte":
            return "" if isinstance(operand, str) or _is_number(operand) else "must be a number or a string"
        case "$in" | "$nin":
            return "must not be an object" if isinstance(operand, dict) else ""
        case "$startsWith" | "$endsWith":
            texts = operand if isinstance(operand, list) else [operand]
            return "" if all(isinstance(each, str) for each in texts) else "must be a string or a list of strings"
        case "$exist":
            return "" if isinstance(operand, bool) else "must be true or false"
        case _:
            return ""
