"""The container files, as far as they can be checked without an engine."""

import re
import shlex
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from sqlft.database.connect import parse_dsn
from sqlft.recipe import load_recipe
from tests.test_cloud import parse

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OPTIONS = dict(word.split("=", 1) for word in SERVICES["vllm"]["command"] if "=" in word)
DOCKERFILE = re.sub(r"\\\n", " ", (DOCKER / "Dockerfile").read_text())


def test_services_depend_on_and_mount_what_is_declared():
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DOCKER / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"], volume


def test_the_image_is_built_from_files_that_are_there():
    for name in ("loader", "trainer"):
        build = SERVICES[name]["build"]
        assert (DOCKER / build["context"] / build["dockerfile"]).resolve() == DOCKER / "Dockerfile"
    copied = [word for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.M) for word in shlex.split(line)[1:-1]]
    assert len(copied) > 5 and [name for name in copied if not (ROOT / name).exists()] == []


def test_the_trainer_is_not_root_and_its_job_is_accelerate_launch():
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.M)[-1] == "sqlft"
    job = yaml.safe_load(re.search(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.M)[1])
    assert job[:2] == ["accelerate", "launch"] and job[-1] == "scripts/train.py"
    assert all((ROOT / word).is_file() for word in job if "/" in word)


def test_no_secret_is_written_down():
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|KEY", name):
                assert value is None or str(value).startswith("${"), name


@pytest.mark.parametrize("name", ["loader", "trainer"])
def test_a_services_database_is_reached_as_the_right_user(name):
    words = [*SERVICES[name].get("entrypoint", []), *SERVICES[name].get("command", [])]
    address = parse_dsn(next(word for word in words if "clickhouse://" in word).removeprefix("database.dsn="))
    assert (address.host, address.port) == ("clickhouse", 8123)
    assert (
        address.user == {"loader": SERVICES["clickhouse"]["environment"]["CLICKHOUSE_USER"], "trainer": "analyst"}[name]
    )


def test_the_trainers_command_is_a_recipe_with_overrides():
    recipe, *overrides = SERVICES["trainer"]["command"]
    assert load_recipe(ROOT / recipe, overrides).database.dsn.startswith("clickhouse://analyst@")


def test_vllm_serves_the_adapter_that_the_trainer_saves():
    recipe = load_recipe(ROOT / SERVICES["trainer"]["command"][0])
    adapter = f"/{recipe.run_dir}/adapter"
    assert OPTIONS["--lora-modules"] == f"{recipe.name}={adapter}"  # the name that `sqlft evaluate` asks for
    assert OPTIONS["--model"] == recipe.model.base and int(OPTIONS["--max-lora-rank"]) >= recipe.lora.r
    assert OPTIONS["--tokenizer"] == adapter  # its chat template is the one that was trained with
    assert (recipe.model.quantization, OPTIONS["--quantization"]) == ("nf4", "bitsandbytes")
    assert OPTIONS["--dtype"] == recipe.model.dtype and OPTIONS["--generation-config"] == "vllm"
    assert {"--enable-lora", "--enable-prefix-caching"} <= set(SERVICES["vllm"]["command"])
    assert f"{adapter}".startswith("/runs/") and "runs:/runs:ro" in SERVICES["vllm"]["volumes"]


def test_vllm_is_pinned_and_served_over_loopback_alone():
    pinned = re.fullmatch(r"vllm/vllm-openai:\$\{VLLM_VERSION:-v(\d+)\.(\d+)\.(\d+)\}", SERVICES["vllm"]["image"])
    assert pinned and tuple(map(int, pinned.groups())) >= (0, 19, 1)  # the first with transformers 5
    assert SERVICES["vllm"]["ports"] == ["127.0.0.1:8000:8000"]
    assert SERVICES["vllm"]["healthcheck"]["test"][-1].endswith("'http://127.0.0.1:8000/health')")


def test_the_commands_that_its_comments_give_can_be_parsed():
    text = (DOCKER / "compose.yaml").read_text()
    given = dict(re.findall(r"\b(RECIPE|DSN|VLLM)=([^\s,;]*\w)", text))
    lines = re.findall(r"--entrypoint sqlft trainer (.+)", text)
    read = [parse([given.get(word.lstrip("$"), word) for word in line.split()]) for line in lines]
    assert [name for name, _ in read] == ["build", "evaluate"]
    for _, words in read:
        recipe = load_recipe(ROOT / words["recipe"], words["overrides"])
        assert recipe.database.dsn.startswith("clickhouse://analyst@") and recipe.name in OPTIONS["--lora-modules"]
    assert urlsplit(read[1][1]["endpoint"]).hostname in SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_a_health_check_is_a_command_that_parses(name):
    kind, program, *arguments = SERVICES[name].get("healthcheck", {"test": ["CMD", "true"]})["test"]
    assert kind == "CMD"
    if program == "python3":
        compile(arguments[-1], name, "exec")


def test_the_analyst_may_only_read_the_shop():
    tree = ElementTree.parse(DOCKER / "clickhouse" / "analyst.xml")
    assert tree.findtext("profiles/analyst/readonly") == "1"
    assert [query.text for query in tree.iter("query")] == ["GRANT SELECT ON ecommerce.*"]
    assert tree.find("users/analyst/password").attrib == {"from_env": "ANALYST_PASSWORD"}
