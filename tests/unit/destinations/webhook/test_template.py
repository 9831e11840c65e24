"""The template language: what it says, and what it refuses to begin with."""

from datetime import UTC, datetime
from typing import Any

import pytest

from outpost.destinations.webhook.template import Instant, Template, TemplateError

AT = datetime(2024, 6, 1, 8, 3, 6, 123450, tzinfo=UTC)
FIELDS: dict[str, Any] = {
    "EventID": "evt_1",
    "Topic": "user.created",
    "Empty": "",
    "Timestamp": Instant(AT),
    "Signatures": ["one", "two"],
    "None": [],
}


def rendered(text: str) -> str:
    return Template(text, fields=tuple(FIELDS)).render(FIELDS)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("plain } text", "plain } text"),
        ("{{.EventID}}", "evt_1"),
        ("a {{ .EventID }} b", "a evt_1 b"),
        ("a {{- .EventID -}} b", "aevt_1b"),
        ("a\n{{-\n.EventID\n-}}\nb", "aevt_1b"),
        ("{{.Signatures}}", "[one two]"),
        ('{{.Signatures | join ","}}', "one,two"),
        ('{{join "," .Signatures}}', "one,two"),
        ("{{index .Signatures 0}}", "one"),
        ("{{len .Signatures}} {{len .EventID}}", "2 5"),
        ('{{len "é"}}', "2"),
        ("{{first .Signatures}} {{last .Signatures}} {{rest .Signatures}} {{first .None}}", "one two [two] "),
        ("{{slice .Signatures 1}} {{slice .Signatures 0 1}} {{slice .Signatures}}", "[two] [one] [one two]"),
        ('{{printf "%s-%d-%v-%%" .EventID 3 .Signatures}}', "evt_1-3-[one two]-%"),
        ('{{.EventID | upper | printf "%s!"}}', "EVT_1!"),
        ("{{upper .Topic}} {{lower (upper .Topic)}}", "USER.CREATED user.created"),
        ('{{trim "  x "}}{{trimPrefix "evt_" .EventID}}{{trimSuffix "_1" .EventID}}', "x1evt"),
        ('{{.Topic | replace "." "-"}}', "user-created"),
        ('{{quote .EventID "a\\"\\\\\\n"}}', '"evt_1" "a\\"\\\\\\n"'),
        ('{{quote "é\\t"}}{{quote `\x01`}}', '"é\\t""\\u0001"'),
        ('{{.Empty | default "x"}} {{.Topic | default "x"}} {{default "y"}}', "x user.created y"),
        ("{{b64enc .EventID}} {{b64enc .EventID | b64dec}}", "ZXZ0XzE= evt_1"),
        ("{{sha256sum .Empty}}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("{{`raw \\n` }}", "raw \\n"),
        ("{{true}} {{12}} {{-3}}", "true 12 -3"),
        ("{{if .Empty}}a{{else}}b{{end}}", "b"),
        ("{{if .Topic}}a{{end}}", "a"),
        ("{{if .Empty}}a{{else if .None}}b{{else if .Topic}}c{{else}}d{{end}}", "c"),
        ("{{with .Topic}}<{{.}}>{{else}}none{{end}}", "<user.created>"),
        ("{{with .Empty}}<{{.}}>{{else}}{{.EventID}}{{end}}", "evt_1"),
        ("{{with .Timestamp}}{{.Unix}}{{end}}", "1717228986"),
        ("{{range .Signatures}}v0={{.}} {{end}}", "v0=one v0=two "),
        ("{{range .None}}x{{else}}none{{end}}", "none"),
        ("{{range .Signatures}}{{if .}}{{upper .}}{{end}}{{end}}", "ONETWO"),
        ("{{.Timestamp.Unix}} {{.Timestamp.UnixMilli}} {{.Timestamp.UTC.Unix}}", "1717228986 1717228986123 1717228986"),
        ('{{.Timestamp.Format "2006-01-02T15:04:05Z07:00"}}', "2024-06-01T08:03:06Z"),
        ('{{.Timestamp.Format "Mon, 02 Jan 2006 15:04:05 MST"}}', "Sat, 01 Jun 2024 08:03:06 UTC"),
        (
            '{{.Timestamp.Format "Monday January 2 06 3:4:5 PM pm -0700 -07:00"}}',
            "Saturday June 1 24 8:3:6 AM am +0000 +00:00",
        ),
        ('{{.Timestamp.Format "05.000 05.000000000 05.999999999 05,999"}}', "06.123 06.123450000 06.12345 06,123"),
        ('{{"2006" | .Timestamp.Format}}', "2024"),
    ],
)
def test_a_template_says(text: str, result: str) -> None:
    assert rendered(text) == result


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{.Nope}}", "there is no field .Nope; known are .EventID"),
        ("{{if .Empty}}{{.Nope}}{{end}}", "there is no field .Nope"),
        ("{{with .Empty}}x{{else}}{{.Nope}}{{end}}", "there is no field .Nope"),
        ("{{range .Nope}}{{end}}", "there is no field .Nope"),
        ("{{.}}", "there is no field ."),
        ("{{.EventID..Unix}}", ""),
        ('{{env "SECRET"}}', "there is no function env; known are b64dec"),
        ("{{.EventID | exec}}", "there is no function exec"),
        ("{{eq .EventID 1}}", "there is no function eq"),
        ("{{join}}", "join does not take 0 arguments"),
        ("{{upper .Topic .Topic}}", "upper does not take 2 arguments"),
        ("{{$x := .EventID}}", "is not understood at '$x"),
        ("{{/* comment */}}", "is not understood"),
        ('{{define "x"}}{{end}}', ""),
        ("{{.EventID", "a {{ has no }}"),
        ("{{}}", "an action is empty"),
        ("{{if .Topic}}", "{{if}} has no {{end}}"),
        ("{{if .Topic}}{{else}}{{else}}{{end}}", "{{if}} has no {{end}} before {{else}}"),
        ("{{range .None}}{{else with .Topic}}{{end}}", "{{range}} has no {{end}} before {{else with .Topic}}"),
        ("{{if}}{{end}}", "an action is empty"),
        ("x{{end}}", "{{end}} without a beginning"),
        ("{{else}}", "{{else}} without a beginning"),
        ("{{(.EventID}}", "a ( has no )"),
        ("{{.EventID)}}", "')' is one too many"),
        ("{{(upper .EventID).Unix}}", "'.Unix' is one too many"),
        ("{{.EventID | }}", "takes no value from a |"),
        ("{{| upper}}", "an expression is missing before '|'"),
        ('{{.EventID | "x"}}', "takes no value from a |"),
        ('{{"\\x41"}}', "is not an escape"),
        ('{{"open}}', "is not understood"),
        ("{{1.5}}", "is one too many"),
    ],
)
def test_what_lies_outside_the_language_is_refused_at_once(text: str, says: str) -> None:
    with pytest.raises(TemplateError) as refused:
        Template(text, fields=tuple(FIELDS))

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{.Timestamp}}", "a time must be shown with .Unix"),
        ("{{.Timestamp.Local}}", "a time has no .Local with 0 arguments"),
        ("{{.Timestamp.Unix 1}}", "a time has no .Unix with 1 arguments"),
        ('{{.Timestamp.Format "2007"}}', "has digits that stand for no part of a time"),
        ('{{.EventID "x"}}', ".EventID takes no arguments"),
        ("{{.EventID.Unix}}", "there is no field .EventID.Unix"),
        ("{{with .Topic}}{{.EventID}}{{end}}", "there is no field .EventID"),
        ("{{index .Signatures 2}}", "index: there is no position 2"),
        ("{{index .Signatures -1}}", "index: there is no position -1"),
        ("{{slice .Signatures 3}}", "slice: there is no position 3"),
        ("{{index .EventID 0}}", "index: a list is needed, not a text"),
        ("{{upper 1}}", "upper: a text is needed, not a number"),
        ("{{upper .Timestamp}}", "upper: a text is needed, not a time"),
        ("{{len true}}", "len: a list is needed, not true or false"),
        ('{{printf "%d" .EventID}}', "printf: a number is needed, not a text"),
        ('{{printf "%x" 1}}', "printf: only %s, %d, %v and %% are known"),
        ('{{printf "%"}}', "printf: only %s"),
        ('{{printf "%s"}}', "has too few values"),
        ('{{printf "" 1}}', "has too many values"),
        ('{{b64dec "*"}}', "b64dec: this is not the base64 of a text"),
        ('{{b64dec "/w=="}}', "b64dec: this is not the base64 of a text"),
        ("{{range .EventID}}{{end}}", "range needs a list"),
        ("{{join 1 .Signatures}}", "join: a text is needed, not a number"),
    ],
)
def test_what_cannot_be_rendered_says_why(text: str, says: str) -> None:
    with pytest.raises(TemplateError) as refused:
        rendered(text)

    assert says in str(refused.value)


def test_an_error_holds_no_value() -> None:
    with pytest.raises(TemplateError) as refused:
        Template("{{index .Secret 0}}", fields=("Secret",)).render({"Secret": "hush"})

    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(("hour", "shown"), [(0, "12 AM"), (1, "1 AM"), (12, "12 PM"), (13, "1 PM")])
def test_hours_of_a_half_day_begin_with_twelve(hour: int, shown: str) -> None:
    at = Instant(AT.replace(hour=hour))

    assert Template('{{.T.Format "3 PM"}}', fields=("T",)).render({"T": at}) == shown
