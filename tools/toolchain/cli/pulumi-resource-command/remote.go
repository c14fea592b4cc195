package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// runRemote runs script on the machine that the input connection names. When ctx
// ends, the script gets SIGTERM there, and the connection is cut after grace.
func runRemote(ctx context.Context, in inputs, script string, prev []string, out output) error {
	client, err := dial(ctx, in.object("connection"), out.note)
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return client.cause(err)
	}
	defer session.Close()
	for _, v := range in.environ() {
		name, value, _ := strings.Cut(v, "=")
		if err := session.Setenv(name, value); err != nil {
			return fmt.Errorf("the SSH server does not take the variable %s (its AcceptEnv); "+
				"set it in the script or send it by stdin: %w", name, client.cause(err))
		}
	}
	for _, v := range prev {
		name, value, _ := strings.Cut(v, "=")
		if session.Setenv(name, value) != nil {
			out.note(name + " is not set: the SSH server does not take it (its AcceptEnv)")
		}
	}
	if stdin := in.text("stdin"); stdin != "" {
		session.Stdin = strings.NewReader(stdin)
	}
	session.Stdout, session.Stderr = out.stdout, out.stderr
	if err := session.Start(script); err != nil {
		return client.cause(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = session.Signal(ssh.SIGTERM) // a server that can't do it has the connection cut
		select {
		case <-ended:
		case <-time.After(grace):
		}
		return fmt.Errorf("cancelled: %w", ctx.Err())
	}
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.Signal() != "":
		return out.explain(fmt.Errorf("ended by SIG%s", exit.Signal()))
	case errors.As(err, &exit):
		return out.explain(fmt.Errorf("exit status %d", exit.ExitStatus()))
	default:
		return out.explain(client.cause(err))
	}
}
