"""An offline grammar that writes question/SQL pairs over any schema card."""

from sqlft.dataset.grammar.roles import Unavailable, read_roles
from sqlft.dataset.grammar.templates import Template, expand, widen

__all__ = ["Template", "Unavailable", "expand", "read_roles", "widen"]
