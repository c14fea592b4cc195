"""Run one Docker task for the Mesos agent: the `mesos-docker-executor` that the published egg lacks.

Standard library only, Python 3.11+.  Pure parts (settings, dockerargs, environment, recordio, health,
status) hold the decisions; thin parts (docker, agent, executor) talk to Docker and to the agent.
"""
