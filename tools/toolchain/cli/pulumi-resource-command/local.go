package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// grace is how long a script has to end by itself once it was asked to.
const grace = 5 * time.Second

// runLocal runs script on this machine. When ctx ends, the script and what it
// started get SIGTERM, and SIGKILL after grace.
func runLocal(ctx context.Context, in inputs, script string, prev []string, out output) error {
	argv := []string{"/bin/sh", "-c"}
	if given, ok := in["interpreter"].([]any); ok && len(given) > 0 {
		argv = nil
		for _, arg := range given {
			argv = append(argv, fmt.Sprint(arg))
		}
	}
	cmd := exec.CommandContext(ctx, argv[0], append(argv[1:], script)...)
	cmd.Dir = in.text("dir")
	cmd.Env = append(append(os.Environ(), in.environ()...), prev...)
	if stdin := in.text("stdin"); stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	cmd.Stdout, cmd.Stderr = out.stdout, out.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	done := make(chan struct{})
	defer close(done)
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid
		go func() {
			select {
			case <-done:
			case <-time.After(grace):
				_ = syscall.Kill(group, syscall.SIGKILL)
			}
		}()
		return syscall.Kill(group, syscall.SIGTERM)
	}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("cancelled: %w", ctx.Err())
		}
		return out.explain(err)
	}
	return nil
}
