package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// tailSize is how many bytes of a failed script's standard error its error quotes.
const tailSize = 4000

// output collects what a script prints. note takes remarks of the provider's own.
type output struct {
	stdout, stderr *stream
	note           func(string)
}

// stream keeps all that is written to it and hands each whole line to log.
type stream struct {
	mu   sync.Mutex
	all  bytes.Buffer
	part []byte // the beginning of a line whose end has not come yet
	log  func(string)
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Write(p)
	if s.log == nil {
		return len(p), nil
	}
	s.part = append(s.part, p...)
	for {
		line, rest, whole := bytes.Cut(s.part, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		s.part = rest
		s.log(string(line))
	}
}

// text returns all that was written, without the newline at its end, and logs a
// last line that has none.
func (s *stream) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil && len(s.part) > 0 {
		s.log(string(s.part))
		s.part = nil
	}
	return strings.TrimSuffix(s.all.String(), "\n")
}

// newOutput returns an output that logs the streams that logging names.
func newOutput(logging string, log func(string)) output {
	out := output{&stream{}, &stream{}, log}
	if logging != "none" && logging != "stderr" {
		out.stdout.log = log
	}
	if logging != "none" && logging != "stdout" {
		out.stderr.log = log
	}
	return out
}

// explain returns err with the end of what the script wrote to standard error. It
// leaves out the script, which may hold secrets.
func (o output) explain(err error) error {
	text := o.stderr.text()
	if len(text) > tailSize {
		text = "..." + text[len(text)-tailSize:]
	}
	if text == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, text)
}
