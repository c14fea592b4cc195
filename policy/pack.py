"""The rules as a pack of Pulumi's: a thin wrapper around each."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi_policy
import pulumi_policy.policy
import yaml
from pulumi_policy import EnforcementLevel, ResourceValidationPolicy, StackValidationPolicy

from .facts import facts
from .levels import level_problems
from .rules.model import Resource
from .rules.table import POLICIES, Policy
from .rules.wire import resource, stack_of

ROOT = Path(__file__).resolve().parent.parent


class Wire(Mapping[str, Any]):
    """A resource's properties as the engine sent them."""

    def __init__(self, wire: Mapping[str, Any]) -> None:
        self.wire = wire

    def __getitem__(self, key: str) -> Any:
        return self.wire[key]

    def __iter__(self) -> Any:
        return iter(self.wire)

    def __len__(self) -> int:
        return len(self.wire)


def keep_marks() -> None:
    """Has the SDK hand on properties as the engine sent them. It takes the marks of secrets away before a policy sees them, and
    whether something is a secret is what one of ours is about; a test on the real engine tells if a new version goes another way."""
    setattr(pulumi_policy.policy, "deserialize_properties", lambda props, _secrets=False: Wire(props))  # noqa: B010


known = functools.cache(functools.partial(facts, ROOT))


def seen(args: Any) -> Resource:
    """The resource of a policy's arguments, whether of one resource or one of a stack's."""
    assert isinstance(args.props, Wire), "the SDK does not hand on what keep_marks gives it"
    opts = args.opts
    return resource(
        args.urn, args.props.wire, bool(opts.protect), secret_outputs=frozenset(opts.additional_secret_outputs)
    )


def _each(policy: Policy) -> ResourceValidationPolicy:
    def validate(args: pulumi_policy.ResourceValidationArgs, report: pulumi_policy.ReportViolation) -> None:
        assert policy.each
        for violation in policy.each(seen(args), known(stack_of(args.urn))):
            report(str(violation), None)

    return ResourceValidationPolicy(policy.name, policy.description, validate)


def _all(policy: Policy) -> StackValidationPolicy:
    def validate(args: pulumi_policy.StackValidationArgs, report: pulumi_policy.ReportViolation) -> None:
        assert policy.all
        if not args.resources:
            return
        urns = {}
        resources = []
        for one in args.resources:
            resources.append(seen(one))
            urns[resources[-1].name] = one.urn
        for violation in policy.all(resources, known(stack_of(args.resources[0].urn))):
            report(str(violation), urns.get(violation.resource))

    return StackValidationPolicy(policy.name, policy.description, validate)


def levels() -> dict[str, EnforcementLevel]:
    """What policies do that do not refuse. Raises ValueError for what PulumiPolicy.yaml cannot mean."""
    given = yaml.safe_load((ROOT / "policy" / "PulumiPolicy.yaml").read_text()).get("levels", {})
    if problems := level_problems(given, [policy.name for policy in POLICIES]):
        raise ValueError("\n".join(problems))
    return {name: EnforcementLevel(level) for name, level in given.items()}


def serve() -> None:
    """Answers the engine until it ends this process."""
    keep_marks()
    pulumi_policy.PolicyPack(
        name="aerie",
        policies=[_each(policy) if policy.each else _all(policy) for policy in POLICIES],
        enforcement_level=EnforcementLevel.MANDATORY,
        initial_config=dict(levels()),
        description="What must hold for every stack of an aerie federation",
    )
