"""Property tests draw the same examples each time; `pytest --hypothesis-profile=search` looks for new ones."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)  # a busy machine is no failure
settings.register_profile("search", deadline=None)
settings.load_profile("repeatable")
