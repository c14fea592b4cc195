"""A Mesos framework that runs one HTCondor pool: it starts the pool's daemons and lets its executors follow the queue."""

VARIABLE = "AERIE_FRAMEWORK"  # of the environment: the whole configuration
