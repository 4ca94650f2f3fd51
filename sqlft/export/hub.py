"""The adapter and its card on Hugging Face's Hub, where nobody else sees it unless that is asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlft.export.card import write_card
from sqlft.export.source import Source
from sqlft.problems import Problem, SqlftError, WrongUse


def export_hub(source: Source, repo: str, public: bool = False) -> str:
    """Uploads adapter, card and prompt in one commit; HF_TOKEN, or a login, must be allowed to write.

    The card shows the schema card with its real values, so that a repository is private unless `public` says otherwise;
    one that is there already keeps what it is, and is refused where it is public against expectation.

    Returns:
        The repository's address.

    Raises:
        WrongUse: There is a public repository of that name.
        SqlftError: The Hub cannot be reached, or refuses it.
    """
    import httpx2
    from huggingface_hub import HfApi

    api = HfApi()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        source.copy_adapter(folder)
        write_card(source, folder, "adapter", use=f"`hf download {repo} --local-dir .` brings it here.")
        try:
            address = api.create_repo(repo, private=not public, exist_ok=True)
            if not public and not api.repo_info(repo).private:
                why = "it is there already and everybody sees it, prompt and values included"
                raise WrongUse(Problem("--hub", repo, why, "Write another name, or --public."))
            api.upload_folder(repo_id=repo, folder_path=folder, commit_message=f"{source.name}, exported by sqlft")
        except (httpx2.HTTPError, OSError, ValueError) as error:  # refused, not reached, or a name that is none
            reason = " ".join(str(error).split())[:300]
            raise SqlftError(
                f"{repo} could not be uploaded: {reason}. Is the Hub reached, HF_TOKEN set, and may it write there?"
            ) from error
    return str(address)
