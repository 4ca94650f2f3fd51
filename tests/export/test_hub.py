"""The upload, with a stub of the Hub: private unless it is said otherwise."""

from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest

from sqlft.export.hub import export_hub
from sqlft.problems import SqlftError, WrongUse


@pytest.fixture
def hub(monkeypatch):
    """What the Hub was told; `private` is None until a repository is there."""
    told = SimpleNamespace(private=None, files={}, fault=None)

    class Api:
        def create_repo(self, repo, *, private, exist_ok):
            if told.fault:
                raise told.fault
            assert exist_ok
            told.private = private if told.private is None else told.private
            return f"https://hub.test/{repo}"

        def repo_info(self, repo):
            return SimpleNamespace(private=told.private)

        def upload_folder(self, *, repo_id, folder_path, commit_message):
            told.files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return told


@pytest.mark.parametrize("public", [False, True])
def test_a_repository_is_private_unless_public_is_said(source, hub, public):
    assert export_hub(source, "me/analyst", public) == "https://hub.test/me/analyst"
    assert hub.private is not public
    assert hub.files["adapter_model.safetensors"] == b"weights"
    assert b"What it gets right" in hub.files["README.md"] and hub.files["prompt.txt"].decode() == source.system


def test_nothing_is_uploaded_into_a_repository_that_everybody_sees(source, hub):
    hub.private = False
    with pytest.raises(WrongUse, match="everybody sees it"):
        export_hub(source, "me/analyst")
    assert hub.files == {}
    export_hub(source, "me/analyst", public=True)
    assert hub.files


def test_what_the_hub_refuses_is_one_sentence(source, hub):
    hub.fault = OSError("no route to host")
    with pytest.raises(SqlftError, match="me/analyst could not be uploaded: no route to host"):
        export_hub(source, "me/analyst")
