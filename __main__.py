"""What this stack is, and what stands in it: see ARCHITECTURE.md."""

import sys

from components.batch.quorum import NoQuorum
from components.program import run
from components.spec.problems import ConfigError

SAID = 32  # by this status Pulumi's language host knows that the user has been told, and adds no words of its own

try:
    run()
except (ConfigError, NoQuorum) as refused:
    print(refused, file=sys.stderr)
    sys.exit(SAID)
