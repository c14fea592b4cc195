package main

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// inputs are a resource's plain inputs.
type inputs map[string]any

func (in inputs) text(key string) string { s, _ := in[key].(string); return s }

// number returns the input key, or otherwise where it isn't given.
func (in inputs) number(key string, otherwise float64) float64 {
	if n, ok := in[key].(float64); ok {
		return n
	}
	return otherwise
}

func (in inputs) object(key string) inputs { m, _ := in[key].(map[string]any); return m }

// environ returns the script's own variables as NAME=value, then those that tell
// what the script before it printed.
func (in inputs) environ() []string {
	var env []string
	for name, value := range in.object("environment") {
		env = append(env, fmt.Sprintf("%s=%v", name, value))
	}
	sort.Strings(env)
	return env
}

// previous returns the variables that tell a script what the one before it printed.
func (in inputs) previous(stdout, stderr string) []string {
	var env []string
	if in["addPreviousOutputInEnv"] == false {
		return nil
	}
	if stdout != "" {
		env = append(env, "PULUMI_COMMAND_STDOUT="+stdout)
	}
	if stderr != "" {
		env = append(env, "PULUMI_COMMAND_STDERR="+stderr)
	}
	return env
}

var (
	commandKeys = strings.Fields("create update delete environment stdin triggers logging addPreviousOutputInEnv")
	localKeys   = strings.Fields("interpreter dir")
	proxyKeys   = strings.Fields("host port user password privateKey privateKeyPassword agentSocketPath " +
		"dialErrorLimit perDialTimeout hostKey")
	loggings = []string{"", "stdout", "stderr", "stdoutAndStderr", "none"}
)

// failure is an input that can't be taken.
type failure struct{ key, reason string }

// unknown returns a failure for each key of in that is in none of lists.
func (in inputs) unknown(prefix string, lists ...[]string) []failure {
	var bad []failure
	for key := range in {
		if strings.HasPrefix(key, "__") || slices.Contains(slices.Concat(lists...), key) {
			continue
		}
		bad = append(bad, failure{prefix + key, "this build of the command provider does not know it"})
	}
	sort.Slice(bad, func(i, j int) bool { return bad[i].key < bad[j].key })
	return bad
}

// checkConnection returns what is wrong with the keys of the input connection.
func (in inputs) checkConnection() []failure {
	value, given := in["connection"]
	if !given {
		return []failure{{"connection", "is missing"}}
	}
	if _, ok := value.(map[string]any); !ok {
		return nil // not known before the update
	}
	conn := in.object("connection")
	bad := conn.unknown("connection.", proxyKeys, []string{"proxy"})
	if _, given := conn["host"]; !given {
		bad = append(bad, failure{"connection.host", "is missing"})
	}
	if proxy, ok := conn["proxy"].(map[string]any); ok {
		bad = append(bad, inputs(proxy).unknown("connection.proxy.", proxyKeys)...)
		if _, given := proxy["host"]; !given {
			bad = append(bad, failure{"connection.proxy.host", "is missing"})
		}
	}
	return bad
}

// checkLogging returns a failure if the input logging has a value that doesn't exist.
func (in inputs) checkLogging() []failure {
	if slices.Contains(loggings, in.text("logging")) {
		return nil
	}
	return []failure{{"logging", "must be one of stdout, stderr, stdoutAndStderr, none"}}
}
