"""The filter language: a JSON object that an event must match.

    {"topic": "order.paid", "data": {"amount": {"$gte": 100}, "status": {"$not": {"$in": ["test", "draft"]}}}}

Every key of every object must hold. A key is a field name or an operator:

    fields      equal to a scalar; objects are matched key by key
    $or $and    a list of alternatives, of conditions that all must hold
    $not        the opposite of one condition
    the rest    comparisons, see `filter_comparisons`

A list matches if one of its elements does; `$not` and comparisons ask about the list itself, so that `{"$not": "x"}`
means that no element is `x`. A list in the filter asks for an element for each of its own. A field that is absent
matches only `{"$exist": false}`. Filters are compiled once into nested functions; matching walks no filter again.
"""

from collections.abc import Callable
from typing import Any, Final

from outpost.domain.filter_comparisons import COMPARISONS, Json, operand_problem, same_scalar

Test = Callable[[Json], bool]

DEEPEST: Final = 64
"""Objects and lists within each other; a deeper filter is refused when written, and matches nothing."""

MOST_VALUES: Final = 1_000
"""Objects, lists and scalars of a filter. A larger one is refused when written, because each event is held against all
that a tenant wrote. One that is stored already keeps working."""

_ABSENT: Final = object()
_LOGIC: Final = ("$or", "$and", "$not")


class EventFilter:
    """A compiled filter.

    Attributes:
        uses_data: Whether the event's data must be parsed to decide.
    """

    __slots__ = ("_test", "uses_data")

    def __init__(self, test: Test, *, uses_data: bool) -> None:
        self._test = test
        self.uses_data = uses_data

    def matches(self, document: dict[str, Any]) -> bool:
        """Say whether `document`, made of an event, satisfies the filter; never raises."""
        try:
            return self._test(document)
        except RecursionError:  # data nested past anything a filter could mean
            return False


def compile_filter(schema: dict[str, Any] | None) -> EventFilter:
    """Compile a stored filter. What is wrong in it matches nothing; it raises nothing."""
    if not schema:
        return EventFilter(lambda _: True, uses_data=False)
    if _depth(schema) > DEEPEST:
        return EventFilter(lambda _: False, uses_data=False)
    return EventFilter(_of_object(schema), uses_data=_looks_at_data(schema))


def check_filter(schema: Json) -> list[str]:
    """Return what is wrong with a filter that someone wants to store, one sentence each."""
    if not isinstance(schema, dict):
        return ["filter must be a JSON object"]
    if _depth(schema) > DEEPEST:
        return [f"filter is nested deeper than {DEEPEST} levels"]
    if _size(schema) > MOST_VALUES:
        return [f"filter has more than {MOST_VALUES} values"]
    problems: list[str] = []
    _check(schema, "filter", problems)
    return problems


# --- compiling


def _of_value(schema: Json) -> Test:
    if isinstance(schema, dict):
        return _of_object(schema)
    if isinstance(schema, list):
        return _of_list(schema)
    return _or_of_an_element(lambda value: same_scalar(value, schema))


def _of_object(schema: dict[str, Json]) -> Test:
    if not schema:
        return _or_of_an_element(lambda value: isinstance(value, dict))
    about_itself = [_comparison(key, operand) for key, operand in schema.items() if key in COMPARISONS]
    if "$not" in schema:
        about_itself.append(_negation(schema["$not"]))
    others = [_condition(key, operand) for key, operand in schema.items() if key != "$not" and key not in COMPARISONS]
    if not others:
        return _all(about_itself)
    return _all([*about_itself, _or_of_an_element(_all(others))])


def _of_list(schema: list[Json]) -> Test:
    wanted = [_of_value(each) for each in schema]

    def holds(value: Json) -> bool:
        return isinstance(value, list) and all(any(test(each) for each in value) for test in wanted)

    return holds


def _or_of_an_element(test: Test) -> Test:
    def holds(value: Json) -> bool:
        return any(holds(each) for each in value) if isinstance(value, list) else test(value)

    return holds


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _comparison(name: str, operand: Json) -> Test:
    compare = COMPARISONS[name]
    return lambda value: compare(value, operand)


def _negation(operand: Json) -> Test:
    inner = _of_value(operand)
    return lambda value: not inner(value)


def _condition(key: str, operand: Json) -> Test:
    if key == "$or" and isinstance(operand, list):
        alternatives = [_of_value(each) for each in operand]
        return lambda value: any(test(value) for test in alternatives)
    if key == "$and" and isinstance(operand, list):
        return _all([_of_value(each) for each in operand])
    return _field(key, operand)


def _field(name: str, operand: Json) -> Test:
    matches_absence = isinstance(operand, dict) and operand.get("$exist") is False
    test = _of_value(operand)

    def holds(value: Json) -> bool:
        if not isinstance(value, dict):
            return False
        found: Any = value.get(name, _ABSENT)
        return matches_absence if found is _ABSENT else test(found)

    return holds


# --- looking at a filter without an event


def _looks_at_data(schema: Json) -> bool:
    """Whether a condition on the whole document depends on its `data`."""
    if isinstance(schema, list):
        return any(_looks_at_data(each) for each in schema)
    if not isinstance(schema, dict):
        return False
    return "data" in schema or any(
        key in COMPARISONS or (key in _LOGIC and _looks_at_data(operand)) for key, operand in schema.items()
    )


def _depth(schema: Json) -> int:
    """How deep objects and lists lie within each other, at most DEEPEST + 1; without recursion."""
    level: list[Json] = [schema]
    depth = 0
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


def _size(schema: Json) -> int:
    """How many values a filter is made of, itself included."""
    if isinstance(schema, dict):
        return 1 + sum(map(_size, schema.values()))
    return 1 + sum(map(_size, schema)) if isinstance(schema, list) else 1


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
        elif key in COMPARISONS:
            problem = operand_problem(key, operand)
            if problem is not None:
                problems.append(f"{here} {problem}")
        elif key.startswith("$") and key not in _LOGIC:
            problems.append(f"{here} is not an operator")
        else:
            _check(operand, here, problems)
