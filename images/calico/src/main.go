// The one program of the image, by its name:
//
//	calico-node [run]     the whole node: driver, Felix, confd, BIRD
//	calico-node health    is this node well (JSON, exit status)
//	calico-node -felix    one of Calico's own daemons (see upstream.go)
//	calicoctl             Calico's own calicoctl
//
// One binary instead of three shares 90 MB of code, on disk and in memory.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"aerie/calico/supervisor"
)

func main() {
	args := os.Args[1:]
	switch {
	case filepath.Base(os.Args[0]) == "calicoctl":
		os.Exit(calicoctl(args))
	case len(args) == 0 || args[0] == "run":
		if err := supervisor.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "calico-node:", err)
			os.Exit(1)
		}
	case args[0] == "health":
		os.Exit(supervisor.Health())
	case strings.HasPrefix(args[0], "-"):
		os.Exit(upstream(args))
	default:
		fmt.Fprintf(os.Stderr, "calico-node: unknown command %s (run, health, or one of Calico's flags)\n", args[0])
		os.Exit(2)
	}
}
