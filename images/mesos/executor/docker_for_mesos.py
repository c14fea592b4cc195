"""What docker-for-mesos runs; see mesos_docker_executor/shim.py."""

import sys

sys.path.insert(0, "/usr/lib/mesos")

from mesos_docker_executor.shim import main

main(sys.argv[1:])
