package main

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// over runs script with the further inputs given and returns its output.
func over(t *testing.T, conn map[string]any, script string, more inputs) (output, error) {
	t.Helper()
	in := inputs{"connection": conn}
	for k, v := range more {
		in[k] = v
	}
	out := newOutput("", func(line string) { t.Log(line) })
	return out, runRemote(context.Background(), in, script, nil, out)
}

func TestRemoteScript(t *testing.T) {
	key, signer := newKey(t)
	s := startServer(t, signer.PublicKey())
	out, err := over(t, s.at(key), `cat; echo "$WHO"; echo oops >&2`, inputs{
		"stdin": "in ", "environment": map[string]any{"WHO": "it's me"},
	})
	if err != nil || out.stdout.text() != "in it's me" || out.stderr.text() != "oops" {
		t.Fatalf("%v, stdout %q, stderr %q", err, out.stdout.text(), out.stderr.text())
	}
}

func TestErrorHasStatusAndStderrButNotTheScript(t *testing.T) {
	key, signer := newKey(t)
	s := startServer(t, signer.PublicKey())
	_, err := over(t, s.at(key), "PASS=hunter2; echo shown; echo why >&2; exit 7", nil)
	if err == nil || !strings.Contains(err.Error(), "exit status 7: why") {
		t.Fatal(err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Fatal("the error quotes the script:", err)
	}
}

func TestRefusedVariableIsAnError(t *testing.T) {
	key, signer := newKey(t)
	s := startServer(t, signer.PublicKey())
	s.accept = false
	_, err := over(t, s.at(key), "true", inputs{"environment": map[string]any{"SECRET": "hunter2"}})
	if err == nil || !strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "hunter2") {
		t.Fatal(err)
	}
	if _, err := over(t, s.at(key), "true", nil); err != nil {
		t.Fatal(err)
	}
}

func TestHostKeyIsPinned(t *testing.T) {
	key, signer := newKey(t)
	s, other := startServer(t, signer.PublicKey()), startServer(t, signer.PublicKey())
	conn := s.at(key)
	conn["hostKey"] = other.hostKey
	if _, err := over(t, conn, "true", nil); err == nil || s.logins.Load() != 0 {
		t.Fatal("went on in spite of another host key:", err)
	}
}

func TestJumpHost(t *testing.T) {
	key, signer := newKey(t)
	jumpKey, jumpSigner := newKey(t)
	inner, jump := startServer(t, signer.PublicKey()), startServer(t, jumpSigner.PublicKey())
	conn := inner.at(key)
	conn["proxy"] = jump.at(jumpKey)
	out, err := over(t, conn, "echo through", nil)
	if err != nil || out.stdout.text() != "through" || jump.forwards.Load() != 1 {
		t.Fatal(err, out.stdout.text(), jump.forwards.Load())
	}

	for name, spoil := range map[string]func(map[string]any){
		"key of the machine":   func(c map[string]any) { c["hostKey"] = jump.hostKey },
		"key of the jump host": func(c map[string]any) { c["proxy"].(map[string]any)["hostKey"] = inner.hostKey },
	} {
		t.Run(name, func(t *testing.T) {
			conn := inner.at(key)
			conn["proxy"] = jump.at(jumpKey)
			spoil(conn)
			before := inner.logins.Load()
			if _, err := over(t, conn, "true", nil); err == nil || inner.logins.Load() != before {
				t.Fatal("went on in spite of another host key:", err)
			}
		})
	}
}

func TestPasswordAndAgent(t *testing.T) {
	_, signer := newKey(t)
	s := startServer(t, signer.PublicKey())
	conn := s.at("")
	conn["password"] = s.password
	if _, err := over(t, conn, "true", nil); err != nil {
		t.Fatal(err)
	}

	// The agent's key counts even beside a private key that the server refuses.
	pem, good := newKey(t)
	raw, err := ssh.ParseRawPrivateKey([]byte(pem))
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: raw}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(ring, c)
		}
	}()
	s = startServer(t, good.PublicKey())
	refused, _ := newKey(t)
	conn = s.at(refused)
	if _, err := over(t, conn, "true", nil); err == nil {
		t.Fatal("let in without a key")
	}
	conn["agentSocketPath"] = path
	if _, err := over(t, conn, "true", nil); err != nil {
		t.Fatal(err)
	}
	conn["agentSocketPath"] = path + "-gone"
	if _, err := over(t, conn, "true", nil); err == nil {
		t.Fatal("no error for an agent that isn't there")
	}
}

func TestDialErrorLimit(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().(*net.TCPAddr)
	listener.Close() // now nothing listens there
	for limit, tries := range map[float64]int{0: 0, 2: 2} {
		var noted int
		in := inputs{"host": addr.IP.String(), "port": float64(addr.Port), "dialErrorLimit": limit}
		_, err := dial(context.Background(), in, func(string) { noted++ })
		if err == nil || noted != tries {
			t.Errorf("limit %v: %d failed tries were followed by another (%v)", limit, noted, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	in := inputs{"host": addr.IP.String(), "port": float64(addr.Port), "dialErrorLimit": -1.0}
	soon(t, 3*time.Second, func() {
		if _, err := dial(ctx, in, func(string) {}); err == nil {
			t.Error("no error from a cancelled dial")
		}
	})
}

func TestDialTimeoutCoversTheHandshake(t *testing.T) {
	key, signer := newKey(t)
	s := startServer(t, signer.PublicKey())
	s.deaf.Store(true)
	conn := s.at(key)
	conn["perDialTimeout"] = 0.3
	soon(t, 3*time.Second, func() {
		if _, err := over(t, conn, "true", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestSilentMachineEndsTheCommand(t *testing.T) {
	key, signer := newKey(t)
	s := startServer(t, signer.PublicKey())
	c, err := dial(context.Background(), s.at(key), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	session, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("sleep 60"); err != nil {
		t.Fatal(err)
	}
	s.deaf.Store(true)
	go c.watch(context.Background(), 20*time.Millisecond, 200*time.Millisecond)
	soon(t, 3*time.Second, func() {
		if err := c.cause(session.Wait()); !errors.Is(err, errSilent) {
			t.Error(err)
		}
	})
}

func TestCancelStopsTheRemoteScript(t *testing.T) {
	key, signer := newKey(t)
	s := startServer(t, signer.PublicKey())
	ctx, cancel := context.WithCancel(context.Background())
	out := newOutput("", func(line string) {
		if line == "started" {
			cancel()
		}
	})
	soon(t, 4*time.Second, func() {
		err := runRemote(ctx, inputs{"connection": s.at(key)}, "echo started; sleep 60", nil, out)
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if got := <-s.signals; got != "TERM" {
		t.Error("the script got", got)
	}
}
