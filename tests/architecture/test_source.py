"""Habits of the source that no linter checks."""

import ast

from tests.support.checkout import source_modules


def test_every_module_says_what_it_is_for() -> None:
    silent = [module for module, tree in source_modules() if not ast.get_docstring(tree)]

    assert silent == []
