package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// testServer is an SSH server on loopback that runs what it is told with /bin/sh.
type testServer struct {
	addr     string
	hostKey  string // as in an authorized_keys file
	password string
	accept   bool         // takes environment variables
	deaf     atomic.Bool  // answers nothing any more
	logins   atomic.Int32 // connections that got past the login
	forwards atomic.Int32 // connections through it
	signals  chan string
	mu       sync.Mutex
	conns    []net.Conn
}

// newKey returns a private key in PEM and its signer.
func newKey(t *testing.T) (string, ssh.Signer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), signer
}

// startServer starts a server that lets in whoever has the key of user.
func startServer(t *testing.T, user ssh.PublicKey) *testServer {
	t.Helper()
	_, host := newKey(t)
	s := &testServer{
		hostKey: string(ssh.MarshalAuthorizedKey(host.PublicKey())), password: "pass", accept: true,
		signals: make(chan string, 8),
	}
	cfg := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if user == nil || string(key.Marshal()) != string(user.Marshal()) {
				return nil, io.EOF
			}
			return nil, nil
		},
		PasswordCallback: func(_ ssh.ConnMetadata, pass []byte) (*ssh.Permissions, error) {
			if string(pass) != s.password {
				return nil, io.EOF
			}
			return nil, nil
		},
	}
	cfg.AddHostKey(host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	t.Cleanup(func() {
		listener.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.conns {
			c.Close()
		}
	})
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, raw)
			s.mu.Unlock()
			go s.serve(raw, cfg)
		}
	}()
	return s
}

func (s *testServer) serve(raw net.Conn, cfg *ssh.ServerConfig) {
	if s.deaf.Load() {
		return // accepts the TCP connection and says nothing
	}
	_, channels, requests, err := ssh.NewServerConn(raw, cfg)
	if err != nil {
		return
	}
	s.logins.Add(1)
	go func() {
		for r := range requests {
			if r.WantReply && !s.deaf.Load() {
				_ = r.Reply(false, nil)
			}
		}
	}()
	for offer := range channels {
		switch offer.ChannelType() {
		case "session":
			go s.session(offer)
		case "direct-tcpip":
			go s.forward(offer)
		default:
			_ = offer.Reject(ssh.UnknownChannelType, "")
		}
	}
}

func (s *testServer) forward(offer ssh.NewChannel) {
	var to struct {
		Host     string
		Port     uint32
		FromHost string
		FromPort uint32
	}
	_ = ssh.Unmarshal(offer.ExtraData(), &to)
	out, err := net.Dial("tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		_ = offer.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	s.forwards.Add(1)
	ch, requests, err := offer.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() { _, _ = io.Copy(out, ch); out.Close() }()
	_, _ = io.Copy(ch, out)
	ch.Close()
}

func (s *testServer) session(offer ssh.NewChannel) {
	ch, requests, err := offer.Accept()
	if err != nil {
		return
	}
	var cmd *exec.Cmd
	env := os.Environ()
	for r := range requests {
		text := struct{ A, B string }{}
		switch r.Type {
		case "env":
			_ = ssh.Unmarshal(r.Payload, &text)
			env = append(env, text.A+"="+text.B)
			_ = r.Reply(s.accept, nil)
		case "exec":
			var script struct{ Text string }
			_ = ssh.Unmarshal(r.Payload, &script)
			cmd = exec.Command("/bin/sh", "-c", script.Text)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			cmd.Env, cmd.Stdout, cmd.Stderr = env, ch, ch.Stderr()
			stdin, _ := cmd.StdinPipe()
			go func() { _, _ = io.Copy(stdin, ch); stdin.Close() }()
			_ = cmd.Start()
			_ = r.Reply(true, nil)
			go func() {
				_ = cmd.Wait()
				status := cmd.ProcessState.Sys().(syscall.WaitStatus)
				if status.Signaled() {
					_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
						Name string
						Core bool
						Text string
						Lang string
					}{strings.TrimPrefix(signalName(status.Signal()), "SIG"), false, "", ""}))
				} else {
					_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(status.ExitStatus())}))
				}
				ch.Close()
			}()
		case "signal":
			var name struct{ Name string }
			_ = ssh.Unmarshal(r.Payload, &name)
			s.signals <- name.Name
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		case "subsystem":
			_ = r.Reply(true, nil)
			files, err := sftp.NewServer(ch)
			if err != nil {
				return
			}
			go func() { _ = files.Serve(); ch.Close() }()
		default:
			_ = r.Reply(false, nil)
		}
	}
}

func signalName(s syscall.Signal) string {
	if s == syscall.SIGTERM {
		return "SIGTERM"
	}
	return "SIGKILL"
}

// at returns the connection input for s. Errors end it at once.
func (s *testServer) at(privateKey string) map[string]any {
	host, port, _ := net.SplitHostPort(s.addr)
	n, _ := strconv.Atoi(port)
	return map[string]any{
		"host": host, "port": float64(n), "privateKey": privateKey, "hostKey": s.hostKey,
		"dialErrorLimit": 0.0, "perDialTimeout": 5.0,
	}
}

// soon fails the test if f takes longer than limit.
func soon(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("took longer than %v", limit)
	}
}
