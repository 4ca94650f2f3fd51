"""An offline grammar that writes question/SQL pairs over any schema card."""

from sqlft.dataset.grammar.roles import known_values, read_roles
from sqlft.dataset.grammar.templates import Template, expand

__all__ = ["Template", "expand", "known_values", "read_roles"]
