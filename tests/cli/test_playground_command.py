"""`sqlft playground` as a user meets it, where nothing is served."""

import subprocess
import sys

import pytest

from tests.cli.conftest import TINY


def test_it_does_not_listen_beyond_this_machine_without_a_password(run, monkeypatch):
    for name in ("SQLFT_PLAYGROUND_USER", "SQLFT_PLAYGROUND_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    code, out, err = run("playground", TINY, "--host", "0.0.0.0")
    assert code == 2 and not out and "--host" in err and "SQLFT_PLAYGROUND_PASSWORD" in err


def test_a_port_that_is_taken_is_said_before_anything_is_loaded(run):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run("playground", TINY, "--port", port)
    assert code == 2 and f"127.0.0.1:{port}" in err and "--port 0" in err


@pytest.mark.parametrize("module", ["sqlft.cli", "sqlft.playground"])
def test_gradio_is_imported_when_the_page_is_served(module):
    code = f"import sys, {module}; print('gradio' in sys.modules, 'uvicorn' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False False\n"
    )
