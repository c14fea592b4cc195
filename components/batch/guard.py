"""Keeps a pool by Marathon from being destroyed while jobs run: what is asked on the submit node's front-end. Pure text."""

from __future__ import annotations

import shlex


def find_script(pool: str, role: str) -> str:
    """Prints the ids of the pool's containers of a role on this machine. Of their environment Docker shows nothing else, since
    that holds secrets; `role` is as in AERIE_ROLE."""
    wanted = f'or (eq . "AERIE_POOL={pool}") (eq . "AERIE_ROLE={role}")'
    template = "{{.Id}} {{range .Config.Env}}{{if " + wanted + "}}+{{end}}{{end}}"
    return f"docker ps -q | xargs -r docker inspect -f {shlex.quote(template)} | sed -n 's/ ++$//p'"


def guard_script(pool: str, destroy_with_jobs: bool) -> str:
    """Fails with plain words if jobs run. Without a submit node nobody's jobs are anybody's to end: it passes."""
    if destroy_with_jobs:
        return "true"
    from .framework_client import refusal  # with `requests`, which whoever only finds containers needs not wait for

    unknown = f"nothing of pool {pool} was destroyed: {refusal(pool, None)}"
    one, many = refusal(pool, 1), refusal(pool, 0).removeprefix("0 ")
    return f"""set -eu
id=$({find_script(pool, "submit")} | head -n 1)
[ -n "$id" ] || exit 0
said=$(timeout 20 docker exec "$id" condor_q -allusers -constraint 'JobStatus == 2 || JobStatus == 6' -af ClusterId) || {{
  echo {shlex.quote(unknown)} >&2
  exit 1
}}
jobs=$(printf '%s\\n' "$said" | grep -c . || true)
case $jobs in
0) ;;
1) echo {shlex.quote(f"nothing of pool {pool} was destroyed: {one}")} >&2; exit 1 ;;
*) echo {shlex.quote(f"nothing of pool {pool} was destroyed: ")}"$jobs "{shlex.quote(many)} >&2; exit 1 ;;
esac
"""
