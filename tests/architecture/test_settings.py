"""A setting does something, or is said to do nothing."""

import ast
import inspect
import re
import textwrap
from asyncio import Future
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack

import pytest

from outpost.config.load import load_settings
from outpost.config.setting import Section
from outpost.config.settings import SECTIONS, SETTINGS, Settings
from outpost.domain.errors import ConfigurationError
from outpost.pipeline.publish import PublishCommand, PublishResult
from outpost.wiring.publish_queue import publish_workers
from outpost.wiring.queues import open_queues
from tests.support.checkout import ROOT, source_modules

Names = set[str]
Fields = set[tuple[str, str]]

_CHOOSING_NO_DRIVER = {
    "aws_sqs": {"AWS_SQS_REGION": "eu"},
    "azure_servicebus": {"AZURE_SERVICEBUS_CONNECTION_STRING": "c"},
    "gcp_pubsub": {"GCP_PUBSUB_PROJECT": "p"},
}
"""Brokers that keep a server from starting, so that nothing need read what else is said about them."""
_REFUSED = {start + broker for broker in _CHOOSING_NO_DRIVER for start in ("", "publish_")}


def _attributes(tree: ast.AST) -> Names:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _imported(tree: ast.AST) -> Names:
    return {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}


def _functions(owner: type[Section | Settings]) -> Mapping[str, ast.FunctionDef]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def _of_sections(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield every `section.field` that is read."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr in SECTIONS:
            yield node.value.attr, node.attr


def _used_outside() -> tuple[Fields, Names]:
    """Return what modules read that take a section, and every name that is read at all; both outside of config."""
    fields: Fields = set()
    names: Names = set()
    for module, tree in source_modules():
        if module.startswith("outpost.config"):
            continue
        attributes = _attributes(tree)
        names |= attributes
        taken = attributes | _imported(tree)
        for section, owner in SECTIONS.items():
            if section in taken or owner.__name__ in taken:
                fields |= {(section, name) for name in attributes}
    return fields, names


def _used() -> Fields:
    """Return the fields that are read outside of config, or by a function of config that is called there."""
    fields, names = _used_outside()
    for name, function in _functions(Settings).items():
        if name in names:
            fields |= set(_of_sections(function))
    for section, owner in SECTIONS.items():
        functions = _functions(owner)
        called = {name for name in functions if name.startswith("__") or (section, name) in fields}
        reached: Names = set()
        while called:
            reached |= called
            read = {name for each in called for name in _attributes(functions[each])}
            fields |= {(section, name) for name in read}
            called = (read & functions.keys()) - reached
    return fields


def test_every_setting_is_used_or_marked_as_without_effect() -> None:
    used = _used()

    idle = [row for row in SETTINGS if (row.section, row.field) not in used and row.section not in _REFUSED]
    assert [row.key.env for row in idle if not row.key.ignored] == []


def test_no_setting_that_is_marked_as_without_effect_is_used() -> None:
    used = _used()

    assert [row.key.env for row in SETTINGS if row.key.ignored and (row.section, row.field) in used] == []


@pytest.mark.parametrize("broker", _CHOOSING_NO_DRIVER)
async def test_a_broker_without_a_driver_is_refused(broker: str) -> None:
    chosen = _CHOOSING_NO_DRIVER[broker]
    publishing = {f"PUBLISH_{name}": value for name, value in chosen.items()}
    if broker == "azure_servicebus":
        publishing |= {"PUBLISH_AZURE_SERVICEBUS_TOPIC": "t", "PUBLISH_AZURE_SERVICEBUS_SUBSCRIPTION": "s"}

    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigurationError, match=f"RabbitMQ only, and the configuration chooses {broker}"):
            await stack.enter_async_context(open_queues(load_settings(environ=chosen)))
        with pytest.raises(ConfigurationError, match=f"RabbitMQ only, and the configuration chooses {broker}"):
            await publish_workers(stack, load_settings(environ=publishing), publish=_never)


def _never(command: PublishCommand) -> Future[PublishResult]:
    raise AssertionError(command)


def test_the_compatibility_page_names_every_setting_without_effect_and_no_other() -> None:
    page = (ROOT / "docs" / "compatibility.md").read_text()
    section = re.search(r"^## Settings without effect\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)

    ignored = {name for row in SETTINGS if row.key.ignored for name in (row.key.env, *row.key.process_env)}
    assert section is not None
    assert set(re.findall(r"`([A-Z][A-Z_]+)`", section.group(1))) == ignored
