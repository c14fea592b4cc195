// Package supervisor runs a Calico node in one container: the Docker driver at once, and the daemons as
// soon as etcd answers.
//
//	supervisor.go  the order of things     datastore.go  the node, its labels, the site's objects
//	child.go       one daemon, kept alive  health.go     is it well
//	env.go         settings                birdc.go      BIRD's answers
package supervisor

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"aerie/calico/driver"
)

// Paths within the container.
const (
	confdDir    = "/etc/calico/confd"
	birdConfig  = "/etc/calico/confd/config/bird.cfg"
	birdFixed   = "/etc/calico/confd/config/fixed.cfg"
	birdControl = "/run/calico/bird.ctl"
	felixPort   = "9099"
)

// linger is how long the driver goes on for an ending dockerd; Docker kills this container after 10 s.
const linger = 8 * time.Second

// Settings are read from the environment.
type Settings struct {
	Node     string
	Labels   map[string]string
	Cluster  string // of a route reflector: its cluster's id, in the form of an IPv4 address; "" for other nodes
	Networks string
	Profile  string
	MTU      string
	Sockets  string
	State    string
	Docker   string
	Objects  string // file of Calico objects to apply; it need not be there
	Interval time.Duration
	IP       string // the node's address in its LAN, with the length of that
	IP6      string // the same of IPv6; "": IPv4 only
	Twins    driver.Twins
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// Load reads the settings; the error says which variable to mend.
func Load() (Settings, error) {
	s := Settings{
		Node:     os.Getenv("NODENAME"),
		Cluster:  os.Getenv("CALICO_REFLECTOR_CLUSTER"),
		Networks: env("CALICO_DOCKER_NETWORKS", "calico"),
		Profile:  env("CALICO_DOCKER_PROFILE", "aerie"),
		MTU:      env("CALICO_DOCKER_MTU", "1500"),
		Sockets:  env("CALICO_PLUGIN_DIR", "/run/docker/plugins"),
		State:    env("CALICO_STATE_DIR", "/var/lib/calico/docker"),
		Objects:  env("CALICO_OBJECTS", "/etc/calico/objects.yaml"),
		Docker:   env("CALICO_DOCKER_SOCKET", "/var/run/docker.sock"),
		IP:       os.Getenv("IP"),
		IP6:      os.Getenv("IP6"),
	}
	for _, name := range []string{"NODENAME", "IP", "ETCD_ENDPOINTS"} {
		if os.Getenv(name) == "" {
			return s, fmt.Errorf("%s is not set", name)
		}
	}
	if s.Node != strings.ToLower(s.Node) {
		return s, fmt.Errorf("NODENAME=%s: Calico's node names are lower case", s.Node)
	}
	if s.Cluster != "" && net.ParseIP(s.Cluster).To4() == nil {
		return s, fmt.Errorf("CALICO_REFLECTOR_CLUSTER=%s: write an IPv4 address", s.Cluster)
	}
	var err error
	if s.Twins, err = driver.ParseTwins(os.Getenv("CALICO_TWINS")); err != nil {
		return s, fmt.Errorf("CALICO_TWINS: %w", err)
	}
	if ip, _, err := net.ParseCIDR(s.IP6); s.IP6 != "" && (err != nil || ip.To4() != nil) {
		return s, fmt.Errorf("IP6=%s: write an IPv6 address with the length of its network, for instance fd7a:ae:1e:1::ac1f:10a/120", s.IP6)
	}
	if (s.IP6 == "") != (len(s.Twins) == 0) {
		return s, fmt.Errorf("IP6 and CALICO_TWINS go together: set both, or none")
	}
	if s.Labels, err = parseLabels(os.Getenv("CALICO_NODE_LABELS")); err != nil {
		return s, err
	}
	s.Interval, err = time.ParseDuration(env("CALICO_RECONCILE", "15s"))
	if err != nil || s.Interval <= 0 {
		return s, fmt.Errorf("CALICO_RECONCILE: write a duration such as 15s")
	}
	return s, nil
}

// parseLabels reads "site=torino,frontend=true".
func parseLabels(text string) (map[string]string, error) {
	labels := map[string]string{}
	for _, word := range strings.Split(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		k, v, ok := strings.Cut(word, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("CALICO_NODE_LABELS: %q is not NAME=VALUE", word)
		}
		labels[k] = v
	}
	return labels, nil
}

// defaults are what the daemons get unless the container's environment says otherwise.
func defaults(node string) map[string]string {
	return map[string]string{
		"DATASTORE_TYPE":              "etcdv3",
		"CALICO_NETWORKING_BACKEND":   "bird",
		"NO_DEFAULT_POOLS":            "true",
		"CALICO_DISABLE_FILE_LOGGING": "true",
		"WAIT_FOR_DATASTORE":          "true",
		"FELIX_FELIXHOSTNAME":         node,
		"FELIX_DATASTORETYPE":         "etcdv3",
		"FELIX_ETCDENDPOINTS":         os.Getenv("ETCD_ENDPOINTS"),
		"FELIX_ETCDCAFILE":            os.Getenv("ETCD_CA_CERT_FILE"),
		"FELIX_ETCDCERTFILE":          os.Getenv("ETCD_CERT_FILE"),
		"FELIX_ETCDKEYFILE":           os.Getenv("ETCD_KEY_FILE"),
		"FELIX_IPTABLESBACKEND":       "auto",
		"FELIX_IPV6SUPPORT":           strconv.FormatBool(os.Getenv("IP6") != ""),
		"FELIX_XDPENABLED":            "false",
		"FELIX_BPFENABLED":            "false",
		"FELIX_USAGEREPORTINGENABLED": "false",
		"FELIX_HEALTHENABLED":         "true",
		"FELIX_HEALTHHOST":            "127.0.0.1",
		"FELIX_HEALTHPORT":            felixPort,
		"FELIX_LOGFILEPATH":           "none",
		"FELIX_LOGSEVERITYFILE":       "none",
		"FELIX_LOGSEVERITYSYS":        "none",
		"FELIX_LOGSEVERITYSCREEN":     "Warning",
		"CALICO_STARTUP_LOGLEVEL":     "WARNING",
		"BGP_LOGSEVERITYSCREEN":       "warning",
		// Containers may talk to their own host: Mesos' agent is there.
		"FELIX_DEFAULTENDPOINTTOHOSTACTION": "ACCEPT",
		// Five Go daemons share a small machine: less memory for a little more work.
		"GOGC": "50",
	}
}

func applyDefaults(node string) {
	for k, v := range defaults(node) {
		if os.Getenv(k) == "" && v != "" {
			os.Setenv(k, v)
		}
	}
}
