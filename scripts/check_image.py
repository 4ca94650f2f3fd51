"""Takes docker/Dockerfile's steps in a fresh Debian, and starts what docker/compose.yaml starts: no container engine.

    python -m scripts.check_image      # as root, on Linux, with debootstrap and a network; 10 GB, minutes

RUN, COPY, ENV, WORKDIR, USER and ENTRYPOINT are read from the Dockerfile and done in a chroot; what this cannot do it
refuses. Then every service that is made of the image is entered as compose would enter it: its user, no capability, no
new privileges, a file system that cannot be written but for its tmpfs and volumes. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
IGNORED = shutil.ignore_patterns("__pycache__", ".env*")
# as the demo's user would, on a small scale: the shop, what check says, a dataset, two steps
FIRST_STEPS = """
sqlft shop --users 100 --dsn chdb://./runs/shop
sqlft check recipes/tiny-cpu.yaml
sqlft build recipes/tiny-cpu.yaml teacher.examples=120 split.train=32 split.validation=4 split.heldout=8
sqlft train recipes/tiny-cpu.yaml training.max_steps=2
""".strip().splitlines()
PROBES = """
test "$(id -u)" != 0
grep -q 'CapBnd:.*0000000000000000' /proc/self/status
grep -q 'CapEff:.*0000000000000000' /proc/self/status
grep -q 'NoNewPrivs:.*1' /proc/self/status
! touch sqlft/new
! touch $VIRTUAL_ENV/new
! touch /etc/new
touch runs/new
""".strip().splitlines()


@dataclass
class Image:
    """What the Dockerfile has come to so far."""

    root: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    folder: str = "/"
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    steps: int = 0


def read_steps(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, in order: (name, the rest)."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def build(image: Image, steps: list[tuple[str, str]], done: bool = False) -> None:
    """Does the steps; whoever runs this is root, and so are they until USER. Done ones are read alone."""
    for name, rest in steps:
        image.steps += 1
        if done and name in ("RUN", "COPY"):
            continue
        print(f"== {name} {rest}", file=sys.stderr, flush=True)
        match name:
            case "ENV":
                for word in shlex.split(rest):
                    key, _, value = word.partition("=")
                    expanded = re.sub(r"\$\{?(\w+)\}?", lambda m: image.environment[m[1]], value)
                    image.environment[key] = expanded
            case "RUN":
                run(image, ["sh", "-c", rest])
            case "COPY":
                *sources, target = shlex.split(rest)
                for source in sources:
                    copy(ROOT / source, image.root / image.folder.lstrip("/") / target)
            case "WORKDIR":
                image.folder = rest
                (image.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "USER":
                image.user = rest
            case "VOLUME":
                image.volumes = json.loads(rest)
            case "ENTRYPOINT":
                image.entrypoint = json.loads(rest)
            case "FROM" | "CMD":
                pass
            case _:
                raise SystemExit(f"{name}: this knows no such step")


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=IGNORED, dirs_exist_ok=True)
    else:
        shutil.copy(source, target / source.name if target.is_dir() else target)


def run(image: Image, words: list[str], service: dict[str, Any] | None = None) -> None:
    """Runs words in the image: as root while it is built, else as the service says.

    Raises:
        SystemExit: They end with something but 0.
    """
    root, name = str(image.root), "{}"
    mounts = ["mount --make-rprivate /", f"mount --bind {root} {root}"]
    user: list[str] = []
    unshared = ["--mount", "--pid", "--fork", "--kill-child"]
    if service is not None:
        name = service["name"]
        if service.get("read_only"):
            mounts.append(f"mount -o remount,bind,ro {root}")
        for place, _, options in (entry.partition(":") for entry in service.get("tmpfs", [])):
            mounts.append(f"mount -t tmpfs -o nosuid,nodev,{options or 'noexec'} none {root}{place}")
        for source, place in (volume.split(":")[:2] for volume in service.get("volumes", [])):
            mounts.append(f"mount --bind {root}.volumes/{source} {root}{place}")
        if service.get("network_mode") == "none":
            unshared.append("--net")
        user = ["setpriv", f"--reuid={image.user}", f"--regid={image.user}", "--clear-groups", "--inh-caps=-all"]
        user += ["--bounding-set=-all"] if service.get("cap_drop") == ["ALL"] else []
        user += ["--no-new-privs"] if "no-new-privileges:true" in service.get("security_opt", []) else []
    mounts += [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
    authority = os.environ.get("SSL_CERT_FILE")  # of a network that has one of its own
    known = "/etc/ssl/certs/ca-certificates.crt"
    if service is None and authority and Path(root + known).is_file():
        mounts.append(f"mount --bind {authority} {root}{known}")
    given = {"HOME": "/root" if service is None else f"/home/{image.user}", **image.environment}
    if service is None:
        given["PIP_CERT"] = known
    else:
        given |= {key: value for key, value in (service.get("environment") or {}).items() if value and "$" not in value}
    inside = ["env", "-i", *(f"{key}={value}" for key, value in given.items()), *user]
    inside += ["sh", "-c", f"cd {image.folder} && exec {shlex.join(words)}"]
    script = " && ".join([*mounts, f"exec {shlex.join(['chroot', root, *inside])}"])
    done = subprocess.run(["unshare", *unshared, "sh", "-c", script], stdout=sys.stderr)
    if done.returncode:
        raise SystemExit(f"{name}: {shlex.join(words)} ended with {done.returncode}")


def enter(image: Image, compose: dict[str, Any]) -> dict[str, int]:
    """Starts what every service of the image starts, with --help, and the demo's first steps; commands by service."""
    volumes = Path(f"{image.root}.volumes")
    shutil.rmtree(volumes, ignore_errors=True)
    for place in image.volumes:  # a new volume is a copy of what the image has there
        for source in compose["volumes"]:
            if any(
                f"{source}:{place}" in volume
                for service in compose["services"].values()
                for volume in service.get("volumes", [])
            ):
                there = image.root / place.lstrip("/")
                shutil.copytree(there, volumes / source, dirs_exist_ok=True)
                shutil.chown(volumes / source, there.stat().st_uid, there.stat().st_gid)
    entered = {}
    for name, service in compose["services"].items():
        if service["image"] != "sqlft":
            continue
        entry = service.get("entrypoint", image.entrypoint)
        commands = [[*entry, "--help"], *(["sh", "-c", probe] for probe in PROBES[: 8 if "volumes" in service else 7])]
        if name == "demo":
            commands += map(shlex.split, FIRST_STEPS)
        for words in commands:
            print(f"== {name}: {shlex.join(words)}", file=sys.stderr, flush=True)
            run(image, words, {**service, "name": name})
        entered[name] = len(commands)
    return entered


def main() -> None:
    """Bootstraps, builds, enters, and prints what it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to work, and what to keep; else a folder that is deleted")
    parser.add_argument("--enter", action="store_true", help="start the services of what --folder has kept")
    given = parser.parse_args()
    steps = read_steps((ROOT / "docker/Dockerfile").read_text(encoding="utf-8"))
    compose = yaml.safe_load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))
    release = re.fullmatch(r"debian:(\w+)-slim", dict(steps)["FROM"])
    if not release:
        raise SystemExit(f"FROM {dict(steps)['FROM']}: this makes a Debian alone")
    folder = given.folder or Path(tempfile.mkdtemp())
    image = Image(folder.resolve() / "root")
    began = time.perf_counter()
    try:
        if not given.enter:
            debootstrap = ["debootstrap", "--variant=minbase", release[1], str(image.root)]
            subprocess.run(debootstrap, check=True, stdout=sys.stderr)
            shutil.copy("/etc/resolv.conf", image.root / "etc/resolv.conf")
        build(image, steps, given.enter)
        built = time.perf_counter()
        size = subprocess.run(["du", "-sxk", str(image.root)], capture_output=True, text=True, check=True).stdout
        entered = enter(image, compose)
    finally:
        if not given.folder:
            shutil.rmtree(folder)
    found = {
        "debian": release[1],
        "steps": image.steps,
        "user": image.user,
        "gib": round(int(size.split()[0]) / 2**20, 1),
        "entered": entered,
        "seconds": {"build": round(built - began), "enter": round(time.perf_counter() - built)},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
