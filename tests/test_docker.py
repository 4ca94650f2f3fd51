"""The container files, as far as they can be checked without an engine."""

import hashlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from scripts.check_image import read_steps
from sqlft.database import QueryError, open_gate
from sqlft.database.connect import parse_dsn
from sqlft.database.worker import Child
from sqlft.recipe import Limits, load_recipe
from tests.database.clickhouse_http import ClickHouseServer
from tests.database.conftest import make_folder
from tests.test_cloud import parse

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
TEXT = (DOCKER / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "sqlft"]
OPTIONS = dict(word.split("=", 1) for word in SERVICES["vllm"]["command"] if "=" in word)
STEPS = read_steps((DOCKER / "Dockerfile").read_text())
READER = (DOCKER / "clickhouse" / "reader.sql").read_text()
PROFILE = dict(re.findall(r"^    (\w+) = '?(\w+)", READER, re.M))
SECRET = re.compile("PASSWORD|TOKEN|KEY|SECRET")


def steps(name):
    return [rest for given, rest in STEPS if given == name]


def test_the_compose_file_is_one_by_the_specifications_own_schema(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text(TEXT.replace("read_only:", "read_onyl:"))
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, DOCKER / "compose.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "read_onyl" in subprocess.run([*check, broken], capture_output=True, text=True).stdout


def test_the_profiles_are_demo_train_and_serve_and_each_holds_what_its_services_need():
    assert {profile for service in SERVICES.values() for profile in service["profiles"]} == {"demo", "train", "serve"}
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert set(service["profiles"]) <= set(SERVICES[other]["profiles"]), (name, other)
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]
    clickhouse = {name for name, service in SERVICES.items() if "@clickhouse:" in str(service)}
    assert clickhouse == {"loader", "trainer", "ask"} and SERVICES["demo"]["network_mode"] == "none"
    assert all("clickhouse" in needs(name) for name in clickhouse)


def needs(name):
    return {name}.union(*(needs(other) for other in SERVICES[name].get("depends_on", {})))


def test_services_mount_what_is_declared_and_reach_what_they_name():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DOCKER / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"], volume
        networks = set(service.get("networks", ["default"]))
        assert networks <= {*COMPOSE["networks"], "default"}
        for host in re.findall(
            r"[@/]([a-z]+):\d+", json.dumps(service.get("entrypoint", []) + service.get("command", []))
        ):
            assert networks & set(SERVICES[host].get("networks", ["default"])), (name, host)
    assert COMPOSE["networks"]["database"]["internal"] is True


def test_nothing_is_root_or_can_become_it_or_changes_its_own_files():
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True and "privileged" not in service and "pid" not in service, name
        assert name in OURS or int(service["user"].split(":")[0]) > 0
    assert steps("USER") == ["sqlft"]
    assert [name for name, _ in STEPS].index("USER") > max(n for n, (name, _) in enumerate(STEPS) if name == "RUN")
    [made] = [step for step in steps("RUN") if "useradd" in step]
    uid = re.search(r"--uid (\d+)", made)[1]
    assert SERVICES["vllm"]["user"] == f"{uid}:{uid}"  # whose models it reads
    assert all(f"uid={uid},gid={uid}" in SERVICES[name]["tmpfs"][1] for name in OURS)


def test_ports_are_this_machines_alone():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
    assert not {"ipc", "links", "external_links"} & {key for service in SERVICES.values() for key in service}


def test_the_image_is_built_from_files_that_are_there_and_no_others_are_sent():
    for name in OURS:
        build = SERVICES[name]["build"]
        assert (DOCKER / build["context"] / build["dockerfile"]).resolve() == DOCKER / "Dockerfile"
    copied = [word for line in steps("COPY") for word in shlex.split(line)[:-1]]
    assert len(copied) > 5 and [name for name in copied if not (ROOT / name).exists()] == []
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignored[0] == "*" and {line[1:] for line in ignored if line[0] == "!"} == set(copied)
    assert ignored[-2:] == ["**/__pycache__", "**/.env*"]  # after what lets them in


def test_no_secret_is_in_a_layer_or_written_down():
    assert "ARG" not in [name for name, _ in STEPS] and steps("ADD") == []
    assert [line for line in steps("ENV") if SECRET.search(line)] == []
    for service in SERVICES.values():
        for name, value in (service.get("environment") or {}).items():
            if SECRET.search(name):
                assert value is None or str(value).startswith("${"), name


def test_every_variable_is_explained_at_the_top():
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT)) | {
        key
        for service in SERVICES.values()
        for key, value in (service.get("environment") or {}).items()
        if value is None
    }
    head = TEXT.partition("\nname:")[0]
    assert {name for name in asked if SECRET.search(name)} == {name for name in asked if name in head}
    assert asked - set(re.findall(r"\w+", head)) == {"VLLM_VERSION", "VLLM_MEMORY"}  # which have a default


def test_the_images_job_is_accelerate_launch():
    job = json.loads(steps("ENTRYPOINT")[0])
    assert job[:2] == ["accelerate", "launch"] and job[-1] == "scripts/train.py"
    assert all((ROOT / word).is_file() for word in [*job, *json.loads(steps("CMD")[0])] if "/" in word)


@pytest.mark.parametrize("name", OURS)
def test_what_a_service_starts_is_read_by_the_command_line(name):
    words = [*SERVICES[name].get("entrypoint", ["sqlft", "train"]), *SERVICES[name].get("command", [])]
    assert words[0] == "sqlft"
    command, given = parse(words[1:])
    assert command == {"demo": "demo", "loader": "shop", "trainer": "train", "ask": "ask"}[name]
    if given.get("recipe"):
        overrides = given.get("overrides") or [word for word in given["words"] if "=" in word]
        assert load_recipe(ROOT / given["recipe"], overrides).database.dsn.startswith("clickhouse://analyst@")


@pytest.mark.parametrize("name", ["loader", "trainer", "ask"])
def test_a_services_database_is_reached_as_the_right_user(name):
    words = [*SERVICES[name].get("entrypoint", []), *SERVICES[name].get("command", [])]
    address = parse_dsn(next(word for word in words if "clickhouse://" in word).removeprefix("database.dsn="))
    assert (address.host, address.port) == ("clickhouse", 8123)
    owner = SERVICES["clickhouse"]["environment"]["CLICKHOUSE_USER"]
    assert address.user == (owner if name == "loader" else "analyst")
    password = {"loader": "${CLICKHOUSE_ADMIN_PASSWORD:-}"}.get(name, "${CLICKHOUSE_PASSWORD:-}")
    assert SERVICES[name]["environment"]["CLICKHOUSE_PASSWORD"] == password


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


def test_vllm_is_pinned_and_asked_for_its_health():
    pinned = re.fullmatch(r"vllm/vllm-openai:\$\{VLLM_VERSION:-v(\d+)\.(\d+)\.(\d+)\}", SERVICES["vllm"]["image"])
    assert pinned and tuple(map(int, pinned.groups())) >= (0, 19, 1)  # the first with transformers 5
    assert SERVICES["vllm"]["healthcheck"]["test"][-1].endswith("'http://127.0.0.1:8000/health')")


def test_the_commands_that_its_comments_give_can_be_parsed():
    given = dict(re.findall(r"\b(RECIPE|DSN|VLLM)=([^\s,;]*\w)", TEXT))
    lines = re.findall(r"--entrypoint sqlft trainer (.+)", TEXT)
    named = [line.split()[-1] for line in re.findall(r"^#   docker compose (.+)$", TEXT, re.M)]
    assert {"demo", "vllm", "ask"} <= set(named)
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


def start(tmp_path, script, **environment):
    """Runs a script where clickhouse-client and the image's entrypoint are stand-ins that keep what they are given."""
    (tmp_path / "clickhouse-client").write_text('#!/bin/sh\necho "$@" > "$0.words" && cat > "$0.sql"\n')
    (tmp_path / "clickhouse-client").chmod(0o755)
    (tmp_path / "entrypoint.sh").write_text("echo entered\n")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "READER": str(DOCKER / "clickhouse/reader.sql"), **environment}
    words = [word.replace("$$", "$").replace("/entrypoint.sh", f"sh {tmp_path}/entrypoint.sh") for word in script]
    return subprocess.run(words, env=environment, capture_output=True, text=True)


def test_a_server_without_both_passwords_does_not_start(tmp_path):
    script = SERVICES["clickhouse"]["entrypoint"]
    admin, reader = {"CLICKHOUSE_PASSWORD": "a"}, {"ANALYST_PASSWORD": "b"}
    assert start(tmp_path, script, **admin, **reader).stdout == "entered\n"
    for given, lacks in ((admin, "CLICKHOUSE_PASSWORD"), (reader, "CLICKHOUSE_ADMIN_PASSWORD"), ({}, "set CLICKHOUSE")):
        done = start(tmp_path, script, **given)
        assert done.returncode != 0 and done.stdout == "" and lacks in done.stderr


def test_the_init_script_makes_the_reader_with_the_password_that_was_given(tmp_path):
    made = "/docker-entrypoint-initdb.d/make_reader.sh"
    script = DOCKER / "clickhouse/make_reader.sh"
    assert f"./clickhouse/make_reader.sh:{made}:ro" in SERVICES["clickhouse"]["volumes"]
    assert (
        f"./clickhouse/reader.sql:{re.search(r'READER:-(.+)}', script.read_text())[1]}:ro"
        in SERVICES["clickhouse"]["volumes"]
    )
    secret = "it's a $ecret; DROP"
    given = {"CLICKHOUSE_USER": "loader", "CLICKHOUSE_PASSWORD": "admin", "ANALYST_PASSWORD": secret}
    done = start(tmp_path, [str(script)], **given)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    sent = (tmp_path / "clickhouse-client.sql").read_text()
    hashed = f"sha256_hash BY '{hashlib.sha256(secret.encode()).hexdigest()}'"
    assert sent == READER.replace("sha256_password BY 'change me'", hashed) != READER
    assert (tmp_path / "clickhouse-client.words").read_text().split()[:4] == ["--host", "127.0.0.1", "--user", "loader"]
    assert start(tmp_path, [str(script)], **given | {"ANALYST_PASSWORD": ""}).returncode != 0


def test_the_page_shows_the_statements_that_docker_runs():
    page = (ROOT / "docs/security.md").read_text()
    assert re.search(r"```sql\n(.*?)```", page, re.DOTALL)[1] == READER
    recipe = load_recipe(ROOT / "recipes/llama31-8b-qlora.yaml")
    tables = [table["name"] for table in yaml.safe_load(recipe.schema_.read_text())["tables"]]
    assert re.findall(r"GRANT (.+) ON (\S+) TO analyst;", READER) == [("SELECT", table) for table in tables]


def test_the_readers_limits_are_those_that_the_gate_sends():
    with ClickHouseServer() as server, open_gate(server.dsn(), limits=Limits(), tables=None) as gate:
        names = [name for name in PROFILE if name != "max_result_rows"]
        [sent] = gate._engine.query(f"SELECT {', '.join(f'getSetting({name!r})' for name in names)}", {}).rows
    kept = [int(PROFILE[name]) if PROFILE[name].isdigit() else PROFILE[name] for name in names]
    assert kept == list(sent) and len(kept) == 7
    assert int(PROFILE["max_result_rows"]) > Limits().rows  # the gate counts these; a profile cannot cut, but refuse


def test_the_engine_holds_the_reader_to_its_profile_and_its_grants(tmp_path):
    limits = {name: value for name, value in PROFILE.items() if name != "readonly"}  # it is set last
    child = Child(make_folder(tmp_path / "db"), limits, ["shop.t"], memory=2**33, confined=False)
    try:
        for name, value in PROFILE.items():
            [[held]] = json.loads(child.ask(f"SELECT toString(getSetting('{name}'))", {}, 60))["data"]
            assert held.replace("true", "1") == value, name
        assert json.loads(child.ask("SELECT count() FROM shop.t", {}, 60))["data"] == [[1000]]
        for sql, why in (
            ("SELECT count() FROM shop.secret", "ACCESS_DENIED"),
            ("INSERT INTO shop.t VALUES (1, '', 0)", "ACCESS_DENIED"),
            ("SELECT 1 SETTINGS max_result_rows = 0", "READONLY"),
            ("SELECT number FROM numbers(1000001)", "TOO_MANY_ROWS_OR_BYTES"),
        ):
            with pytest.raises(QueryError, match=why):
                child.ask(sql, {}, 60)
    finally:
        child.close()
