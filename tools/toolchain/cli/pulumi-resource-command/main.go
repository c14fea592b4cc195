// Command pulumi-resource-command serves the resources and the function of PyPI's
// pulumi-command: local.Command, remote.Command, remote.CopyToRemote,
// remote.CopyFile and local.run. It keeps to the names and the update rules of
// Pulumi's own provider, so that a program runs on either.
//
// It differs from that in what it says and in how it fails: an error never quotes
// the script, a machine that falls silent ends the command instead of hanging it,
// and a cancelled update stops the script on the other side too.
// Not here: assetPaths and archivePaths.
package main

import (
	"fmt"
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

var version = "0.0.0" // set by the linker

func main() {
	err := provider.Main("command", func(host *provider.HostClient) (rpc.ResourceProviderServer, error) {
		return newServer(func(sev diag.Severity, urn resource.URN, text string) {
			// Nothing is to be done about a log line that the engine doesn't take.
			_ = host.LogStatus(allCalls, sev, urn, text)
		}), nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
