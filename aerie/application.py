"""The command line of `aerie`: what commands there are."""

from __future__ import annotations

import typer

from .commands import (
    backup,
    dashboards,
    doctor,
    explain,
    history,
    init,
    load,
    look,
    pool,
    restore,
    site,
    ssh,
    stacks,
    submit,
)

HELP = """Run an HTCondor farm over several sites.

\b
aerie init                    write the first files
aerie up                      bring everything up
aerie status                  how it does
aerie submit demo my.sub      run something

Everything stays possible with plain pulumi, after: eval "$(tools/env)". Completion of names: aerie --install-completion.
"""
SHORT = {
    "init": "write federation.yaml and the first stack files",
    "site": "add or remove a site in the files",
    "pool": "add or remove a pool in the files",
    "up": "bring stacks up: federation, sites, pools",
    "preview": "what up would change",
    "destroy": "take stacks down: pools, sites, federation",
    "backup": "a copy of the federation in one encrypted file",
    "restore": "the federation anew from such a file",
    "status": "how the federation does, on one screen",
    "doctor": "look for what is wrong, and how to mend it",
    "explain": "why a job waits",
    "history": "jobs that ended, by user",
    "submit": "send a submit file and submit it",
    "load": "benchmark jobs for a pool, and how it took them",
    "ssh": "log in to a pool or a machine",
    "dashboards": "dashboards for Grafana, as files",
    "rtt": "round trips between containers of all sites",
    "path": "the way of packets between two containers",
}  # the list of `aerie --help`
WITH_COMMAND = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def application() -> typer.Typer:
    """All commands."""
    # Plain help and plain tracebacks: to import what makes them colourful takes longer than all the rest.
    app = typer.Typer(help=HELP, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)
    app.command("init", short_help=SHORT["init"], help=init.HELP)(init.init)
    for group, module in (("site", site), ("pool", pool)):
        sub = typer.Typer(help=module.HELP, rich_markup_mode=None, no_args_is_help=True)
        sub.command("add", short_help=f"a new {group}", help=module.ADD)(module.add)
        sub.command("remove", short_help=f"a {group} goes", help=module.REMOVE)(module.remove)
        app.add_typer(sub, name=group, short_help=SHORT[group])
    app.command("up", short_help=SHORT["up"], help=stacks.UP)(stacks.up)
    app.command("preview", short_help=SHORT["preview"], help=stacks.PREVIEW)(stacks.preview)
    app.command("destroy", short_help=SHORT["destroy"], help=stacks.DESTROY)(stacks.destroy)
    app.command("backup", short_help=SHORT["backup"], help=backup.HELP)(backup.backup)
    app.command("restore", short_help=SHORT["restore"], help=restore.HELP)(restore.restore)
    app.command("status", short_help=SHORT["status"], help=look.STATUS)(look.status)
    app.command("doctor", short_help=SHORT["doctor"], help=doctor.HELP)(doctor.doctor)
    app.command("explain", short_help=SHORT["explain"], help=explain.HELP)(explain.explain)
    app.command("history", short_help=SHORT["history"], help=history.HELP)(history.history)
    app.command("submit", short_help=SHORT["submit"], help=submit.HELP)(submit.submit)
    app.command("load", short_help=SHORT["load"], help=load.HELP)(load.load)
    app.command("ssh", short_help=SHORT["ssh"], help=ssh.HELP, context_settings=WITH_COMMAND)(ssh.ssh)
    app.command("dashboards", short_help=SHORT["dashboards"], help=dashboards.HELP)(dashboards.dashboards)
    app.command("rtt", short_help=SHORT["rtt"], help=look.RTT)(look.rtt)
    app.command("path", short_help=SHORT["path"], help=look.PATH)(look.path)
    return app
