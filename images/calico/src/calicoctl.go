package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/docopt/docopt-go"
	"github.com/sirupsen/logrus"

	"github.com/projectcalico/calico/calicoctl/calicoctl/commands"
)

const usage = `Usage:
  calicoctl [options] <command> [<args>...]

    create       Create a resource by file, directory or stdin.
    replace      Replace a resource by file, directory or stdin.
    apply        Create a resource, or replace it if it exists.
    patch        Patch a resource in place.
    delete       Delete a resource by file, directory, stdin or type and name.
    get          Show resources.
    label        Add or update labels of resources.
    convert      Convert files between API versions.
    ipam         IP address management.
    node         Calico node management.
    version      Show the version of this program.
    datastore    Calico datastore management.

Options:
  -h --help                    Show this screen.
  -l --log-level=<level>       panic, fatal, error, warn, info or debug [default: panic]
     --context=<context>       The name of the kubeconfig context to use.
     --allow-version-mismatch  Allow client and cluster versions to differ.

  'calicoctl <command> --help' tells more of a command.
`

var calicoctlCommands = map[string]func([]string) error{
	"create": commands.Create, "replace": commands.Replace, "apply": commands.Apply, "patch": commands.Patch,
	"delete": commands.Delete, "get": commands.Get, "label": commands.Label, "convert": commands.Convert,
	"version": commands.Version, "node": commands.Node, "ipam": commands.IPAM, "datastore": commands.Datastore,
}

// calicoctl is Calico's own; only its main package cannot be linked, so its few lines are here again.
func calicoctl(argv []string) int {
	parser := &docopt.Parser{HelpHandler: docopt.PrintHelpOnly, OptionsFirst: true}
	given, err := parser.ParseArgs(usage, argv, commands.VERSION_SUMMARY)
	if err != nil {
		fmt.Fprintf(os.Stderr, "calicoctl: cannot read %q; try --help\n", strings.Join(argv, " "))
		return 1
	}
	name, ok := given["<command>"].(string)
	if !ok { // help or version was printed
		return 0
	}
	if level, ok := given["--log-level"].(string); ok {
		parsed, err := logrus.ParseLevel(level)
		if err != nil {
			fmt.Fprintf(os.Stderr, "calicoctl: unknown log level %s\n", level)
			return 1
		}
		logrus.SetLevel(parsed)
	}
	command, ok := calicoctlCommands[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "calicoctl: unknown command %s\n%s", name, usage)
		return 1
	}
	args := append([]string{name}, given["<args>"].([]string)...)
	if allow, _ := given["--allow-version-mismatch"].(bool); allow {
		args = append(args, "--allow-version-mismatch")
	}
	if err := command(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
