package supervisor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// child is a daemon that is started again, after growing pauses, whenever it ends.
type child struct {
	name string
	argv []string
	// leave gives the signal that ends it when the container stops.
	leave func() syscall.Signal
}

const (
	firstPause  = time.Second
	longestWait = 30 * time.Second
	steady      = time.Minute // a life of this length makes the next pause short again
	goodbye     = 5 * time.Second
)

func nextPause(last, lived time.Duration) time.Duration {
	if last == 0 || lived > steady {
		return firstPause
	}
	return min(2*last, longestWait)
}

// keep runs the child until the context ends.
func (c child) keep(ctx context.Context, done *sync.WaitGroup) {
	defer done.Done()
	var pause time.Duration
	for ctx.Err() == nil {
		start := time.Now()
		err := c.run(ctx)
		if ctx.Err() != nil {
			return
		}
		pause = nextPause(pause, time.Since(start))
		say("%s ended (%v); again in %v", c.name, err, pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (c child) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(c.leave()) }
	cmd.WaitDelay = goodbye
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	read, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	go prefixed(c.name, read)
	defer write.Close()
	return cmd.Run()
}

var out sync.Mutex

// prefixed copies lines to stdout, each with the name of who wrote it.
func prefixed(name string, from io.Reader) {
	lines := bufio.NewReaderSize(from, 64<<10)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			out.Lock()
			fmt.Fprintf(os.Stdout, "%s: %s", name, line)
			if line[len(line)-1] != '\n' {
				fmt.Fprintln(os.Stdout)
			}
			out.Unlock()
		}
		if err != nil {
			return
		}
	}
}

func say(format string, args ...any) {
	out.Lock()
	defer out.Unlock()
	fmt.Fprintf(os.Stdout, "supervisor: "+format+"\n", args...)
}
