"""Sends files to a submit node and submits there."""

from __future__ import annotations

import io
import shlex
import subprocess
import tarfile
from pathlib import Path

from tools.login import Login

from .terminal import Refused

SECONDS = 300  # for the files to get there


def packed(files: list[tuple[Path, str]]) -> bytes:
    """A tar file with each under its name there."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, name in files:
            tar.add(path, name)
    return out.getvalue()


def script(file: str, folder: str) -> str:
    """Reads the tar file, submits, and prints the first and the last job."""
    there, what = shlex.quote(folder), shlex.quote(file)
    return f"mkdir {there} && cd {there} && tar xzf - && condor_submit -terse {what}"


def send(login: Login, files: list[tuple[Path, str]], file: str, folder: str) -> tuple[str, str]:
    """The first and the last job, as 5.0. Raises Refused with what condor_submit says."""
    try:
        done = subprocess.run(
            [*login.command, script(file, folder)], input=packed(files), capture_output=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"{login.host} took more than {SECONDS} s to take the files", "aerie status") from None
    out, err = done.stdout.decode(), done.stderr.decode()
    if done.returncode:
        said = "\n".join(line for line in (err.strip() or out.strip()).splitlines() if line.strip())
        way = done.returncode == 255
        raise Refused(
            f"{'SSH' if way else 'condor_submit'} fails: {said}", "aerie doctor" if way else f"correct {file}"
        )
    first, _, last = out.strip().splitlines()[-1].partition(" - ")
    return first, last or first


def until_done(login: Login, pool: str, cluster: str) -> None:
    """Waits until none of the cluster is in the queue. Raises Refused if a job is held, as that would be for ever."""
    ask = f"condor_q {cluster} -af:j JobStatus HoldReason"
    wait = f"""while :; do
  said=$({ask}) || exit 4
  [ -n "$said" ] || exit 0
  case "$said" in *' 5 '*) echo "$said" | grep ' 5 ' | head -n 1; exit 3 ;; esac
  sleep 2
done"""
    done = subprocess.run([*login.command, wait], capture_output=True, text=True)
    if done.returncode == 3:
        raise Refused(f"a job is held: {done.stdout.strip()}", f"aerie explain {pool} {done.stdout.split()[0]}")
    if done.returncode:
        raise Refused(
            f"the submit node answers no more: {done.stderr.strip()}", f"aerie status; aerie explain {pool} {cluster}"
        )
