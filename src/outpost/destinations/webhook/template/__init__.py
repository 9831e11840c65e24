"""The part of Go's template language that signature and secret settings are documented to use.

    {{.Timestamp.Unix}}.{{.Body}}
    v0={{.Signatures | join ","}}
    {{range .Signatures}}v1={{.}} {{end}}

Text with actions in double braces: fields, literals, function calls, pipelines, and `if`, `else if`, `else`, `with`,
`range`, `end`; `{{- ` and ` -}}` trim the text beside them. Templates are compiled at start; what lies outside of this
is refused there, with a sentence that says what.
"""

from outpost.destinations.webhook.template.blocks import Template
from outpost.destinations.webhook.template.instant import Instant
from outpost.destinations.webhook.template.values import TemplateError, Value

__all__ = ["Instant", "Template", "TemplateError", "Value"]
