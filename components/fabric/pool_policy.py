"""A pool's policies as a resource: written to Calico by the submit node's front-end."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import pulumi
from pulumi_command import remote

from ..iaas.machine import Machine
from ..spec.model import Federation, Pool
from .policy import policies_yaml, policy_names, pool_policies

CALICOCTL = "docker exec -i calico calicoctl"
SECONDS = 30  # for Calico's container, which may just be made anew, and for a quorum of etcd
WAIT = 15  # seconds that calicoctl is given for one answer


def _again(what: str, words: str) -> str:
    """The command `words` until it works, SECONDS at most; then its last words and what to do."""
    failed = f"{what} after {SECONDS} s: is the site up, and with it a majority of the sites with a quorum member? See make status"
    return f"""until=$(($(date +%s) + {SECONDS}))
until said=$(timeout {WAIT} {words} 2>&1); do
  if [ "$(date +%s)" -ge "$until" ]; then
    [ -z "$said" ] || printf '%s\\n' "$said" >&2
    echo {shlex.quote(failed)} >&2
    exit 1
  fi
  sleep 1
done
"""


def _delete(pool: str, names: list[str]) -> str:
    words = f"{CALICOCTL} delete globalnetworkpolicy {' '.join(names)} --skip-not-exists --allow-version-mismatch </dev/null"
    return _again(f"the policies of pool {pool} are not taken away", words)


def apply_script(pool: str, unwanted: list[str]) -> str:
    """Writes the policies on standard input, and takes away those that the pool has no more."""
    write = _again(
        f"the policies of pool {pool} are not written", f'{CALICOCTL} apply --allow-version-mismatch -f - < "$policies"'
    )
    return f"""set -eu
policies=$(mktemp)
trap 'rm -f "$policies"' EXIT
cat > "$policies"
{write}{_delete(pool, unwanted) if unwanted else ""}"""


def delete_script(pool: str) -> str:
    """Takes all of them away."""
    return "set -eu\n" + _delete(pool, policy_names(pool))


@dataclass
class PoolPolicyArgs:
    """`front_end` is any machine whose Calico is up; it has no part in what the policies say."""

    name: str
    federation: Federation
    pool: Pool
    front_end: Machine


class PoolPolicy(pulumi.ComponentResource):
    """Who may talk to a pool's containers and to whom they may. A preview shows the very lines that change."""

    def __init__(self, name: str, args: PoolPolicyArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("aerie:fabric:PoolPolicy", name, None, opts)
        there = [policy["metadata"]["name"] for policy in pool_policies(args.federation, args.name, args.pool)]
        self.command = remote.Command(
            name,
            connection=args.front_end.connection,
            create=apply_script(args.name, [n for n in policy_names(args.name) if n not in there]),
            delete=delete_script(args.name),
            stdin=policies_yaml(args.federation, args.name, args.pool),
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
