"""The jobs for a cloud and for a cluster: as far as they can be checked with neither."""

import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
import typer
import yaml

from sqlft.cli import app
from sqlft.problems import Interrupted
from sqlft.recipe import load_recipe

ROOT = Path(__file__).parent.parent
CLOUD = ROOT / "recipes" / "cloud"
SKY = yaml.safe_load((CLOUD / "sky.yaml").read_text())
SBATCH = (CLOUD / "train.sbatch").read_text()
# of SkyPilot's sky/utils/schemas.py: those keys of a task, of its resources and of a bucket that are used or near
TASK = {"name", "workdir", "num_nodes", "resources", "file_mounts", "setup", "run", "envs", "secrets", "volumes"}
RESOURCES = {"infra", "cpus", "memory", "accelerators", "use_spot", "job_recovery", "disk_size", "image_id", "any_of"}
BUCKET = {"name", "source", "store", "persistent", "mode"}


def parse(words):
    """What `sqlft` reads these words as: the command's name, its parameters."""
    name, *arguments = words
    command = typer.main.get_command(app).commands[name]
    return name, command.make_context(name, arguments).params


def sky_words():
    run = re.sub(r"\\\n", " ", SKY["run"]).replace("$RECIPE", SKY["envs"]["RECIPE"])
    words = shlex.split(run)
    return words[: words.index("$IMAGE")], words[words.index("$IMAGE") + 1 :]


def test_the_sky_task_says_only_what_its_schema_knows():
    assert set(SKY) <= TASK and set(SKY["resources"]) <= RESOURCES
    assert set(SKY["resources"]["job_recovery"]) <= {"strategy", "max_restarts_on_errors", "recover_on_exit_codes"}
    assert all(set(bucket) <= BUCKET for bucket in SKY["file_mounts"].values())
    assert all(value is None or isinstance(value, str) for key in ("envs", "secrets") for value in SKY[key].values())


def test_a_spot_machine_that_is_lost_is_followed_by_one_that_goes_on():
    docker, words = sky_words()
    assert SKY["resources"]["use_spot"] is True
    assert SKY["resources"]["job_recovery"]["recover_on_exit_codes"] == [Interrupted.exit_code]
    [mounted] = SKY["file_mounts"]
    assert SKY["file_mounts"][mounted]["mode"] == "MOUNT_CACHED" and f"{mounted}:/app/runs" in docker
    assert docker[docker.index("--entrypoint") + 1] == "sqlft"  # the first process, which the signal reaches
    assert_goes_on(words)


def assert_goes_on(words):
    name, given = parse(words)
    assert name == "train" and given["resume"] is True
    recipe = load_recipe(ROOT / given["recipe"], given["overrides"])
    assert recipe.training["save_steps"] == recipe.training["eval_steps"] < recipe.training["max_steps"] / 2


def test_what_the_comments_say_to_run_can_be_run():
    text = (CLOUD / "sky.yaml").read_text() + SBATCH
    for line in re.findall(r"^#   (sqlft .+)$", text, re.M):
        name, given = parse(shlex.split(line)[1:])
        assert load_recipe(ROOT / given["recipe"]) and name == "build"
    named = re.findall(r"\b(?:recipes|docker|scripts)/[\w./-]+\w", text)
    assert len(named) > 6 and [name for name in named if not (ROOT / name).exists()] == []


def test_the_slurm_job_is_signalled_in_time_and_may_be_requeued():
    options = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(\S+))?$", SBATCH, re.M))
    assert "requeue" in options and options["signal"] == "B:TERM@120" and options["open-mode"] == "append"
    assert SBATCH.startswith("#!/bin/bash\n") and subprocess.run(["bash", "-n", CLOUD / "train.sbatch"]).returncode == 0


PROGRAMS = {
    "srun": 'exec "$@"',
    "scontrol": 'echo "$@" > requeued',
    "apptainer": 'printf "%s\\n" "$*" >> calls\n[ "$ENDS" ] && exit "$ENDS"\n'
    "trap 'sleep 0.1; exit 130' TERM\ntouch started\nwhile true; do sleep 0.02; done",
}


@pytest.fixture
def job(tmp_path):
    """Starts the script with stand-ins for Slurm's programs and Apptainer, which ends as it is told or at a SIGTERM."""
    for name, body in PROGRAMS.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"

    def start(*arguments, ends=""):
        environment = {"PATH": path, "HOME": str(tmp_path), "SLURM_JOB_ID": "7", "ENDS": ends}
        return subprocess.Popen(["bash", CLOUD / "train.sbatch", *arguments], cwd=tmp_path, env=environment)

    return start


def test_a_signal_saves_and_requeues_and_the_next_start_is_the_same_command(job, tmp_path):
    first = job()
    while not (tmp_path / "started").exists():
        time.sleep(0.01)
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0 and (tmp_path / "requeued").read_text() == "requeue 7\n"
    (tmp_path / "requeued").unlink()
    assert job(ends="0").wait(20) == 0 and not (tmp_path / "requeued").exists()
    called = (tmp_path / "calls").read_text().splitlines()
    assert len(called) == 2 and called[0] == called[1]
    words = shlex.split(called[0])
    assert words[0] == "exec" and f"{tmp_path}:/app" in words
    assert_goes_on(words[words.index("sqlft") + 1 :])


@pytest.mark.parametrize("code", ["1", "2", "130"])
def test_a_job_that_fails_by_itself_is_not_requeued(job, tmp_path, code):
    assert job("recipes/article.yaml", "seed=1", ends=code).wait(20) == int(code)
    assert not (tmp_path / "requeued").exists()
    words = shlex.split((tmp_path / "calls").read_text())
    _, given = parse(words[words.index("sqlft") + 1 :])
    assert given["recipe"] == Path("recipes/article.yaml") and "seed=1" in given["overrides"]
