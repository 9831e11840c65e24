"""Who changed what: one log line for each change that a person or program asked for."""

import logging

_logger = logging.getLogger("outpost.audit")


def audit(message: str, **fields: object) -> None:
    """Log a finished change; `fields` name the things it concerns and never hold a secret."""
    _logger.info(message, extra={"fields": fields})
