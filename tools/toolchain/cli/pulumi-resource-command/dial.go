package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/retry"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

const (
	aliveEvery = 15 * time.Second // how often the other side is asked whether it is there
	aliveLimit = 45 * time.Second // how long it may take to answer
)

var errSilent = errors.New("the machine no longer answers")

// conn is an SSH connection that ends itself when the other side falls silent.
type conn struct {
	*ssh.Client
	addr string
	stop context.CancelFunc
	lost chan struct{} // closed when the other side fell silent
	via  *conn         // jump host, if any
}

func (c *conn) Close() {
	c.stop()
	c.Client.Close()
	if c.via != nil {
		c.via.Close()
	}
}

// cause returns errSilent in place of err if that is why the connection ended.
func (c *conn) cause(err error) error {
	for hop := c; hop != nil; hop = hop.via {
		select {
		case <-hop.lost:
			return fmt.Errorf("%s: %w", hop.addr, errSilent)
		default:
		}
	}
	return err
}

// watch asks the other side every so often whether it is still there, and closes
// the connection once an answer takes longer than limit.
func (c *conn) watch(ctx context.Context, every, limit time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		late := time.AfterFunc(limit, func() {
			close(c.lost)
			c.Client.Close()
		})
		_, _, err := c.SendRequest("keepalive@openssh.com", true, nil)
		if !late.Stop() || err != nil {
			return
		}
	}
}

// target is where a connection goes and how often and how long that is tried.
type target struct {
	addr  string
	cfg   *ssh.ClientConfig
	limit int // errors allowed; -1 is any number
}

// newTarget reads a connection's or a proxy's inputs.
func newTarget(in inputs) (*target, error) {
	cfg := &ssh.ClientConfig{
		User:    in.text("user"),
		Timeout: time.Duration(in.number("perDialTimeout", 15) * float64(time.Second)),
		// As in Pulumi's provider: without hostKey no key is asked for.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	}
	if cfg.User == "" {
		cfg.User = "root"
	}
	if text := in.text("hostKey"); text != "" {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("hostKey: %w", err)
		}
		cfg.HostKeyCallback = ssh.FixedHostKey(key)
		// A server with keys of several kinds must show the one that is pinned.
		cfg.HostKeyAlgorithms = []string{key.Type()}
		if key.Type() == ssh.KeyAlgoRSA {
			cfg.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
	}
	auth, err := authMethods(in)
	if err != nil {
		return nil, err
	}
	cfg.Auth = auth
	port := strconv.Itoa(int(in.number("port", 22)))
	return &target{net.JoinHostPort(in.text("host"), port), cfg, int(in.number("dialErrorLimit", 10))}, nil
}

// authMethods returns the ways to log in: the key, then the agent's keys, then the
// password. All keys are in one method, since a client tries each method once.
func authMethods(in inputs) ([]ssh.AuthMethod, error) {
	var own []ssh.Signer
	if text := in.text("privateKey"); text != "" {
		signer, err := ssh.ParsePrivateKey([]byte(text))
		if pass := in.text("privateKeyPassword"); pass != "" {
			signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(text), []byte(pass))
		}
		if err != nil {
			return nil, fmt.Errorf("privateKey: %w", err)
		}
		own = append(own, signer)
	}
	path, wanted := in.text("agentSocketPath"), true
	if path == "" {
		path, wanted = os.Getenv("SSH_AUTH_SOCK"), false
	}
	keys := func() ([]ssh.Signer, error) {
		if path == "" {
			return own, nil
		}
		sock, err := net.Dial("unix", path)
		if err != nil {
			if wanted {
				return own, fmt.Errorf("agentSocketPath: %w", err)
			}
			return own, nil // a stale variable of the user's session is no reason to fail
		}
		signers, err := agent.NewClient(sock).Signers()
		if err != nil && wanted {
			return own, fmt.Errorf("agentSocketPath: %w", err)
		}
		return append(own, signers...), nil
	}
	methods := []ssh.AuthMethod{ssh.PublicKeysCallback(keys)}
	if pass := in.text("password"); pass != "" {
		answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range answers {
				answers[i] = pass
			}
			return answers, nil
		}
		methods = append(methods, ssh.Password(pass), ssh.KeyboardInteractive(answer))
	}
	return methods, nil
}

// dial connects to the machine that a connection's inputs name, through its proxy if
// it has one. note is told of each failed try.
func dial(ctx context.Context, in inputs, note func(string)) (*conn, error) {
	to, err := newTarget(in)
	if err != nil {
		return nil, err
	}
	proxy := in.object("proxy")
	if proxy == nil {
		return to.dial(ctx, nil, note)
	}
	hop, err := newTarget(proxy)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	via, err := hop.dial(ctx, nil, note)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	c, err := to.dial(ctx, via, note)
	if err != nil {
		err = via.cause(err)
		via.Close()
	}
	return c, err
}

// dial connects to t, from via if that is given, until it succeeds or has failed
// more often than t allows.
func (t *target) dial(ctx context.Context, via *conn, note func(string)) (*conn, error) {
	ok, data, err := retry.Until(ctx, retry.Acceptor{Accept: func(try int, _ time.Duration) (bool, any, error) {
		c, err := t.once(ctx, via)
		if err == nil {
			return true, c, nil
		}
		if ctx.Err() != nil || t.limit >= 0 && try >= t.limit {
			return true, nil, fmt.Errorf("no SSH connection to %s after %d tries: %w", t.addr, try+1, err)
		}
		note(fmt.Sprintf("try %d to connect to %s: %v", try+1, t.addr, err))
		return false, nil, nil
	}})
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ctx.Err()
	}
	return data.(*conn), nil
}

// once connects to t. The time limit holds for the TCP connection and the handshake
// together: a machine that is going down may still accept the former.
func (t *target) once(ctx context.Context, via *conn) (*conn, error) {
	dialCtx := ctx
	if t.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		dialCtx, cancel = context.WithTimeout(ctx, t.cfg.Timeout)
		defer cancel()
	}
	dialer := (&net.Dialer{}).DialContext
	if via != nil {
		dialer = via.DialContext
	}
	raw, err := dialer(dialCtx, "tcp", t.addr)
	if err != nil {
		return nil, err
	}
	// A connection through a jump host has no deadlines, so it is closed instead.
	unwatch := context.AfterFunc(dialCtx, func() { raw.Close() })
	sshConn, channels, requests, err := ssh.NewClientConn(raw, t.addr, t.cfg)
	if !unwatch() && err == nil {
		sshConn.Close()
		err = dialCtx.Err()
	}
	if err != nil {
		raw.Close()
		if dialCtx.Err() != nil {
			err = dialCtx.Err()
		}
		return nil, err
	}
	alive, stop := context.WithCancel(context.Background())
	c := &conn{ssh.NewClient(sshConn, channels, requests), t.addr, stop, make(chan struct{}), via}
	go c.watch(alive, aliveEvery, aliveLimit)
	return c, nil
}
