"""What this stack is, and what stands in it: see ARCHITECTURE.md."""

from pulumi import RunError

from components.batch.quorum import NoQuorum
from components.program import run
from components.spec.problems import ConfigError

try:
    run()
except (ConfigError, NoQuorum) as refused:
    # Told as it is, without a traceback: it says what to do.
    raise RunError(str(refused)) from None
