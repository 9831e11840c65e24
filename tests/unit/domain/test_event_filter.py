"""The filter language. Each row says what a document is, what a filter asks, and whether it gets it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.domain.event_filter import DEEPEST, MOST_VALUES, check_filter, compile_filter


def matches(document: dict[str, Any], schema: dict[str, Any] | None) -> bool:
    return compile_filter(schema).matches(document)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


AS_THE_REFERENCE = [
    ("1 numbers by value", {"a": 1.0}, {"a": 1}, True),
    ("2 never across types", {"a": "5"}, {"a": 5}, False),
    ("3 nor when ordered", {"a": "5"}, {"a": {"$gt": 4}}, False),
    ("4 unlike is not equal", {"a": "5"}, {"a": {"$neq": 5}}, True),
    ("5 absent is not unequal", {"a": 1}, {"b": {"$neq": 1}}, False),
    ("6 absent is not outside", {"a": 1}, {"b": {"$nin": [1]}}, False),
    ("7 null exists", {"a": None}, {"a": {"$exist": True}}, True),
    ("8 null is null", {"a": None}, {"a": None}, True),
    ("9 absent is not null", {}, {"a": None}, False),
    ("10 absence satisfies what stands beside it", {"a": 1}, {"b": {"$exist": False, "$eq": 3}}, True),
    ("11 exist asks for a boolean", {"a": "x"}, {"a": {"$exist": "true"}}, False),
    ("12 an object is a subset", {"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, True),
    ("13 eq is exact", {"a": {"x": 1, "y": 2}}, {"a": {"$eq": {"x": 1}}}, False),
    ("14 whatever the order", {"a": {"x": 1, "y": 2}}, {"a": {"$eq": {"y": 2, "x": 1}}}, True),
    ("15 empty is any object", {"a": {"q": 1}}, {"a": {}}, True),
    ("16 and no scalar", {"a": 5}, {"a": {}}, False),
    ("17 a list asks for a list", {"a": 5}, {"a": [5]}, False),
    ("18 even an empty one", {"a": []}, {"a": []}, True),
    ("19 comparisons see the whole list", {"a": [1, 2]}, {"a": {"$gt": 0}}, False),
    ("20 in a list they see elements", {"a": [1, 2]}, {"a": [{"$gt": 1}]}, True),
    ("21 a list contains", {"a": [1, 2]}, {"a": {"$in": 1}}, True),
    ("22 a list is no member", {"a": [1, 2]}, {"a": {"$in": [1]}}, False),
    ("23 a list lacks", {"a": [1, 2]}, {"a": {"$nin": 3}}, True),
    ("24 an object is no question for nin", {"a": {"x": 1}}, {"a": {"$nin": [1]}}, False),
    ("25 or of an element", {"a": [1, 2]}, {"a": {"$or": [1, 9]}}, True),
    ("26 an object in a list", {"a": [{"s": 1}, {"s": 2}]}, {"a": {"s": 2}}, True),
    ("27 one element must fit", {"a": [{"s": 1, "t": "x"}, {"s": 2, "t": "y"}]}, {"a": {"s": 1, "t": "y"}}, False),
    ("28 or one for each", {"a": [{"s": 1, "t": "x"}, {"s": 2, "t": "y"}]}, {"a": [{"s": 1}, {"t": "y"}]}, True),
    ("29 part of a text", {"a": "hello world"}, {"a": {"$in": "lo w"}}, True),
    ("30 not of a number", {"a": 123}, {"a": {"$in": "123"}}, False),
    ("31 any beginning", {"a": "abc"}, {"a": {"$startsWith": ["x", "ab"]}}, True),
    ("32 hit before nonsense", {"a": "abc"}, {"a": {"$startsWith": ["ab", 1]}}, True),
    ("33 nonsense before hit", {"a": "abc"}, {"a": {"$startsWith": [1, "ab"]}}, False),
    ("34 numbers begin with nothing", {"a": 1}, {"a": {"$startsWith": "1"}}, False),
    ("35 booleans have no order", {"a": True}, {"a": {"$gt": False}}, False),
    ("36 unknown operators match nothing", {"a": "x"}, {"a": {"$regex": "x"}}, False),
    ("46 not, around a field", {"status": "paid"}, {"$not": {"status": {"$in": ["cancelled"]}}}, True),
    ("47 not, beside fields", {"status": "paid"}, {"$not": {"status": "cancelled"}}, True),
    ("48 not, of an object", {"o": {"x": 1}}, {"o": {"$not": {"x": 2}}}, True),
    ("50 absent is not other", {"o": {"x": 1}}, {"nope": {"$not": {"x": 2}}}, False),
    ("51 or of nothing", {"a": 1}, {"$or": []}, False),
    ("52 and of nothing", {"a": 1}, {"$and": []}, True),
    ("53 or wants a list", {"a": 1}, {"$or": {"a": 1}}, False),
    ("54 not anything", {"a": 1}, {"$not": {}}, False),
    ("55 numbers are doubles", {"a": 9007199254740993}, {"a": 9007199254740992}, True),
    ("39 or of comparisons", {"amount": 50}, {"amount": {"$or": [{"$lt": 1}, {"$gt": 10}]}}, True),
    ("42 top level: all keys", {"a": 1, "b": 2}, {"$or": [{"a": 1}, {"a": 9}], "b": 3}, False),
    ("true is not one", {"a": True}, {"a": 1}, False),
    ("one is not true", {"a": 1}, {"a": True}, False),
    ("a list within a list", {"a": [[{"s": 1}], 2]}, {"a": {"s": 1}}, True),
    ("a scalar within lists", {"a": [[1], 2]}, {"a": 1}, True),
    ("any object within lists", {"a": [[{}]]}, {"a": {}}, True),
    ("no element of an empty list", {"a": []}, {"a": {"s": 1}}, False),
    ("an object is no scalar", {"a": {"x": 1}}, {"a": "x"}, False),
    ("eq of lists is ordered", {"a": [1, 2]}, {"a": {"$eq": [2, 1]}}, False),
    ("eq of lists is deep", {"a": [1, {"b": [2.0]}]}, {"a": {"$eq": [1.0, {"b": [2]}]}}, True),
    ("eq of lists has a length", {"a": [1, 2]}, {"a": {"$eq": [1]}}, False),
    ("neq of objects", {"a": {"x": 1}}, {"a": {"$neq": {"x": 2}}}, True),
    ("a member of its type", {"a": 1}, {"a": {"$in": [True, "1"]}}, False),
    ("a member", {"a": None}, {"a": {"$in": [1, None]}}, True),
    ("not a member", {"a": 3}, {"a": {"$nin": [1, 2]}}, True),
    ("not part of a text", {"a": "abc"}, {"a": {"$nin": "x"}}, True),
    ("a number is no question for a text", {"a": 1}, {"a": {"$nin": "x"}}, False),
    ("an object is no operand of in", {"a": 1}, {"a": {"$in": {"x": 1}}}, False),
    ("ends with", {"a": "abc"}, {"a": {"$endsWith": "bc"}}, True),
    ("ends with any", {"a": "abc"}, {"a": {"$endsWith": ["x", "y"]}}, False),
    ("text order is by code point", {"a": "Z"}, {"a": {"$lt": "a"}}, True),
    ("at least", {"a": 2}, {"a": {"$gte": 2, "$lte": 2}}, True),
    ("more than", {"a": 2}, {"a": {"$gt": 2}}, False),
    ("a number beyond doubles", {"a": 10**400}, {"a": {"$gt": 1}}, True),
    ("a number below doubles", {"a": -(10**400)}, {"a": {"$lt": 1}}, True),
    ("does not exist", {"a": 1}, {"a": {"$exist": False}}, False),
    ("exists not", {}, {"a": {"$exist": True}}, False),
]
"""The reference's truth table, its numbers kept, and rows beside it that follow from the same rules."""

AS_DOCUMENTED = [
    ("40 siblings of or count", {"amount": 50}, {"amount": {"$gte": 100, "$or": [{"$lt": 1}, {"$gt": 10}]}}, False),
    ("41 also those of fields", {"a": 1, "b": 2}, {"$or": [{"a": 1}, {"a": 9}], "b": 3}, False),
    ("43 fields beside comparisons count", {"o": {"x": 1, "k": 2}}, {"o": {"x": 5, "$exist": True}}, False),
    ("43 and can hold", {"o": {"x": 1, "k": 2}}, {"o": {"x": 1, "$exist": True}}, True),
    ("44 and of one value", {"amount": 50}, {"amount": {"$and": [{"$gte": 1}, {"$lt": 100}]}}, True),
    ("45 not, of one value", {"status": "paid"}, {"status": {"$not": {"$in": ["cancelled", "refunded"]}}}, True),
    ("45 and its opposite", {"status": "refunded"}, {"status": {"$not": {"$in": ["cancelled", "refunded"]}}}, False),
    ("49 not, of a list with it", {"tags": ["x", "y"]}, {"tags": {"$not": "x"}}, False),
    ("49 not, of a list without it", {"tags": ["y"]}, {"tags": {"$not": "x"}}, True),
    ("not, of an empty list", {"tags": []}, {"tags": {"$not": "x"}}, True),
    ("not a list that contains", {"tags": ["xa"]}, {"tags": {"$not": {"$in": "x"}}}, True),
    ("not a list with each", {"tags": ["x", "y"]}, {"tags": {"$not": ["x"]}}, False),
    ("not an element like it", {"items": [{"s": 1}, {"s": 2}]}, {"items": {"$not": {"s": 1}}}, False),
    ("not and a field", {"items": [{"s": 1}, {"s": 2}]}, {"items": {"$not": {"s": 3}, "s": 2}}, True),
    ("not not", {"a": 1}, {"a": {"$not": {"$not": 1}}}, True),
    ("comparison and element", {"a": [1, 2]}, {"a": {"$in": 1, "$or": [2, 3]}}, True),
]
"""Where the reference forgets a part of the filter, we do what its documentation says."""


@pytest.mark.parametrize(
    ("data", "schema", "expected"), [pytest.param(*row[1:], id=row[0]) for row in AS_THE_REFERENCE + AS_DOCUMENTED]
)
def test_a_filter_matches_as_the_table_says(data: dict[str, Any], schema: dict[str, Any], expected: bool) -> None:
    """FIX-33 is row 45."""
    assert matches({"data": data}, {"data": schema}) is expected
    assert matches(data, schema) is expected


def test_a_name_with_dots_is_one_name() -> None:
    assert not matches({"data": {"a": {"b": 1}}}, {"data.a.b": 1})


def test_times_are_compared_as_texts() -> None:
    january = {"time": {"$gte": "2025-01-01T00:00:00Z", "$lt": "2025-02-01T00:00:00Z"}}

    assert matches({"time": "2025-01-15T00:00:00Z"}, january)
    assert not matches({"time": "2025-02-01T00:00:00Z"}, january)


@pytest.mark.parametrize("schema", [None, {}])
def test_no_filter_matches_everything(schema: dict[str, Any] | None) -> None:
    assert matches({"data": {}}, schema)


def test_a_filter_nested_too_deep_matches_nothing() -> None:
    assert matches(nested(DEEPEST), nested(DEEPEST))
    assert not matches(nested(DEEPEST + 1), nested(DEEPEST + 1))


def test_data_nested_without_end_does_not_raise() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert not matches({"data": endless}, {"data": 1})


_SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=3)
_NAMES = st.sampled_from(["a", "b", "$or", "$and", "$not", "$eq", "$in", "$nin", "$gt", "$startsWith", "$exist", "$x"])
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3), max_leaves=12
)


@settings(deadline=None)
@given(document=st.dictionaries(_NAMES, _VALUES, max_size=3), schema=st.dictionaries(_NAMES, _VALUES, max_size=3))
def test_whatever_a_filter_says_not_is_its_opposite(document: dict[str, Any], schema: dict[str, Any]) -> None:
    expected = matches(document, schema) if schema else True

    assert matches(document, {"$not": schema}) is not expected
    assert matches(document, {"$and": [schema]}) is matches(document, {"$or": [schema]}) is expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"topic": "a", "metadata": {"data": 1}}, False),
        ({"id": {"$in": ["data"]}}, False),
        ({"data": {}}, True),
        ({"$or": [{"topic": "a"}, {"$not": {"data": 1}}]}, True),
        ({"$and": [{"topic": "a"}]}, False),
        ({"$neq": {}}, True),
    ],
)
def test_a_filter_knows_whether_it_looks_at_data(schema: dict[str, Any], expected: bool) -> None:
    assert compile_filter(schema).uses_data is expected


@pytest.mark.parametrize(
    ("schema", "problems"),
    [
        ({"data": {"amount": {"$gte": 1, "$not": {"$in": [1]}}}, "$or": [{"a": {"$exist": False}}]}, []),
        ({"data": {"$eq": {"$what": 1}}}, []),
        ([], ["filter must be a JSON object"]),
        ({"a": {"$regex": "x"}}, ["filter.a.$regex is not an operator"]),
        ({"$or": {"a": 1}}, ["filter.$or must be a list"]),
        ({"$and": [{"a": {"$gt": None}}]}, ["filter.$and[0].a.$gt must be a number or a string"]),
        ({"a": {"$lt": True}}, ["filter.a.$lt must be a number or a string"]),
        ({"a": {"$in": {}}}, ["filter.a.$in must not be an object"]),
        ({"a": {"$endsWith": ["x", 1]}}, ["filter.a.$endsWith must be a string or a list of strings"]),
        (
            {"a": {"$exist": 1}, "b": {"$no": 1}},
            ["filter.a.$exist must be true or false", "filter.b.$no is not an operator"],
        ),
        (nested(DEEPEST + 1), [f"filter is nested deeper than {DEEPEST} levels"]),
        ({"a": {"$in": list(range(MOST_VALUES - 3))}}, []),
        ({"a": {"$in": list(range(MOST_VALUES - 2))}}, [f"filter has more than {MOST_VALUES} values"]),
    ],
)
def test_a_filter_that_could_never_mean_anything_is_named(schema: Any, problems: list[str]) -> None:
    assert check_filter(schema) == problems
