package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"

	confdconfig "github.com/projectcalico/calico/confd/pkg/config"
	confd "github.com/projectcalico/calico/confd/pkg/run"
	felix "github.com/projectcalico/calico/felix/daemon"
	"github.com/projectcalico/calico/libcalico-go/lib/logutils"
	"github.com/projectcalico/calico/node/buildinfo"
	"github.com/projectcalico/calico/node/pkg/lifecycle/shutdown"
	"github.com/projectcalico/calico/node/pkg/lifecycle/startup"
	"github.com/projectcalico/calico/node/pkg/status"
)

// upstream is Calico's own calico-node, as far as this image needs it: its flags and what they start.
func upstream(args []string) int {
	flags := flag.NewFlagSet("calico-node", flag.ContinueOnError)
	version := flags.Bool("v", false, "print the version")
	runFelix := flags.Bool("felix", false, "run Felix")
	runStartup := flags.Bool("startup", false, "write this node into the datastore")
	runShutdown := flags.Bool("shutdown", false, "note in the datastore that this node is going")
	runConfd := flags.Bool("confd", false, "run confd")
	confdDir := flags.String("confd-confdir", "/etc/calico/confd", "confd's configuration directory")
	once := flags.Bool("confd-run-once", false, "let confd write its files once and end")
	showStatus := flags.Bool("show-status", false, "print this node's status")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	logrus.SetOutput(os.Stdout)
	logrus.AddHook(&logutils.ContextHook{})
	// The flag package's own set must know no flags: confd's configuration reads it.
	switch {
	case *version:
		fmt.Println(startup.VERSION)
	case *runFelix:
		logrus.SetFormatter(&logutils.Formatter{Component: "felix"})
		felix.Run("/etc/calico/felix.cfg", buildinfo.GitVersion, buildinfo.BuildDate, buildinfo.GitRevision)
	case *runStartup:
		logrus.SetFormatter(&logutils.Formatter{Component: "startup"})
		startup.Run()
	case *runShutdown:
		logrus.SetFormatter(&logutils.Formatter{Component: "shutdown"})
		shutdown.Run()
	case *runConfd:
		logrus.SetFormatter(&logutils.Formatter{Component: "confd"})
		cfg, err := confdconfig.InitConfig(true)
		if err != nil {
			logrus.WithError(err).Error("confd's configuration")
			return 1
		}
		cfg.ConfDir, cfg.Onetime = *confdDir, *once
		confd.Run(cfg)
	case *showStatus:
		status.Show()
	default:
		fmt.Fprintln(os.Stderr, "calico-node: give one of these:")
		flags.SetOutput(os.Stderr)
		flags.PrintDefaults()
		return 2
	}
	return 0
}
