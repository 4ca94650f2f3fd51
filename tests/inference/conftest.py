from tests.tiny import tiny_base  # noqa: F401
