package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	localURN  = "urn:pulumi:s::p::command:local:Command::name"
	remoteURN = "urn:pulumi:s::p::command:remote:Command::name"
	copyURN   = "urn:pulumi:s::p::command:remote:CopyToRemote::name"
	fileURN   = "urn:pulumi:s::p::command:remote:CopyFile::name"
)

func props(t *testing.T, m map[string]any) *structpb.Struct {
	t.Helper()
	s, err := plugin.MarshalProperties(resource.NewPropertyMapFromMap(m), plugin.MarshalOptions{KeepUnknowns: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func quiet(t *testing.T) *server {
	return newServer(func(_ diag.Severity, _ resource.URN, line string) { t.Log(line) })
}

func TestLifeOfALocalCommand(t *testing.T) {
	s, ctx, dir := quiet(t), context.Background(), t.TempDir()
	in := map[string]any{
		"create": "echo made $WHAT in $(pwd)", "update": "echo again, was $PULUMI_COMMAND_STDOUT", "dir": dir,
		"delete": "echo $PULUMI_COMMAND_STDOUT > gone", "environment": map[string]any{"WHAT": "it"},
	}
	made, err := s.Create(ctx, &rpc.CreateRequest{Urn: localURN, Properties: props(t, in)})
	if err != nil {
		t.Fatal(err)
	}
	if got := made.Properties.Fields["stdout"].GetStringValue(); got != "made it in "+dir {
		t.Fatal(got)
	}
	if !strings.HasPrefix(made.Id, "name") {
		t.Error("id is", made.Id)
	}
	next, err := s.Update(ctx, &rpc.UpdateRequest{Urn: localURN, Olds: made.Properties, News: props(t, in)})
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Properties.Fields["stdout"].GetStringValue(); got != "again, was made it in "+dir {
		t.Fatal(got)
	}
	if _, err := s.Delete(ctx, &rpc.DeleteRequest{Urn: localURN, Properties: next.Properties}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "gone")); err != nil || !strings.HasPrefix(string(text), "again") {
		t.Fatal(err, string(text))
	}
}

func TestPreviewRunsNothing(t *testing.T) {
	s, mark := quiet(t), filepath.Join(t.TempDir(), "mark")
	resp, err := s.Create(context.Background(), &rpc.CreateRequest{
		Urn: localURN, Preview: true, Properties: props(t, map[string]any{"create": "touch " + mark}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Properties.Fields["stdout"].GetStringValue() != plugin.UnknownStringValue {
		t.Error("stdout is known in the preview")
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the script ran in the preview")
	}
}

func TestDiff(t *testing.T) {
	conn := map[string]any{"host": "a", "user": "root"}
	for _, c := range []struct {
		name, urn, changes, replaces string
		change                       map[string]any
	}{
		{"nothing", remoteURN, "", "", nil},
		{"connection", remoteURN, "connection", "", map[string]any{"connection": map[string]any{"host": "b", "user": "root"}}},
		{"script", remoteURN, "create", "", map[string]any{"create": "echo 2"}},
		{"trigger", remoteURN, "triggers", "triggers", map[string]any{"triggers": []any{"2"}}},
		{"variable", remoteURN, "environment", "", map[string]any{"environment": map[string]any{"A": "2"}}},
		{"path of a file", fileURN, "remotePath", "remotePath", map[string]any{"remotePath": "/b"}},
		{"path of an asset", copyURN, "remotePath", "", map[string]any{"remotePath": "/b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := map[string]any{
				"connection": conn, "create": "echo 1", "triggers": []any{"1"}, "remotePath": "/a",
				"environment": map[string]any{"A": "1"},
			}
			now := map[string]any{}
			for k, v := range old {
				now[k] = v
			}
			for k, v := range c.change {
				now[k] = v
			}
			resp, err := quiet(t).Diff(context.Background(), &rpc.DiffRequest{
				Urn: c.urn, OldInputs: props(t, old), News: props(t, now),
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(resp.Diffs, " "); got != c.changes {
				t.Errorf("changed: %q, not %q", got, c.changes)
			}
			if got := strings.Join(resp.Replaces, " "); got != c.replaces {
				t.Errorf("replaced by: %q, not %q", got, c.replaces)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	conn := map[string]any{"host": "a"}
	for _, c := range []struct {
		name, urn string
		in        map[string]any
		bad       []string
	}{
		{"good", remoteURN, map[string]any{"create": "x", "connection": conn}, nil},
		{"none", remoteURN, map[string]any{"create": "x"}, []string{"connection"}},
		{"assets", localURN, map[string]any{"create": "x", "assetPaths": []any{"*"}}, []string{"assetPaths"}},
		{"logging", localURN, map[string]any{"create": "x", "logging": "loud"}, []string{"logging"}},
		{
			"keys", remoteURN,
			map[string]any{"connection": map[string]any{"host": "a", "prot": 1.0, "proxy": map[string]any{"hots": "b"}}},
			[]string{"connection.prot", "connection.proxy.hots", "connection.proxy.host"},
		},
		{"source", copyURN, map[string]any{"connection": conn, "source": "text", "remotePath": "/a"}, []string{"source"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, err := quiet(t).Check(context.Background(), &rpc.CheckRequest{Urn: c.urn, News: props(t, c.in)})
			if err != nil {
				t.Fatal(err)
			}
			var bad []string
			for _, f := range resp.Failures {
				bad = append(bad, f.Property)
			}
			if !slices.Equal(bad, c.bad) {
				t.Errorf("refused: %q, not %q", bad, c.bad)
			}
		})
	}
	if _, err := quiet(t).Check(context.Background(), &rpc.CheckRequest{Urn: "urn:pulumi:s::p::command:a:B::n"}); err == nil {
		t.Error("a type that doesn't exist is taken")
	}
}

func TestLocalRun(t *testing.T) {
	resp, err := quiet(t).Invoke(context.Background(), &rpc.InvokeRequest{
		Tok: "command:local:run", Args: props(t, map[string]any{"command": "echo $A", "environment": map[string]any{"A": "b"}}),
	})
	if err != nil || resp.Return.Fields["stdout"].GetStringValue() != "b" {
		t.Fatal(err, resp)
	}
}

func TestCancelStopsALocalScriptAndItsChildren(t *testing.T) {
	dir := t.TempDir()
	started := make(chan struct{})
	s := newServer(func(diag.Severity, resource.URN, string) { close(started) })
	go func() {
		<-started
		_, _ = s.Cancel(context.Background(), &emptypb.Empty{})
	}()
	soon(t, 3*time.Second, func() {
		// The child holds the script's output open: unless it goes too, this hangs.
		_, err := s.Create(context.Background(), &rpc.CreateRequest{
			Urn: localURN, Properties: props(t, map[string]any{"create": "echo on; sleep 60 & wait", "dir": dir}),
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestCopyToRemote(t *testing.T) {
	key, signer := newKey(t)
	machine := startServer(t, signer.PublicKey())
	s, ctx, here, there := quiet(t), context.Background(), t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"a": "A", "deep/er/b": "B"} {
		file := filepath.Join(here, "dir", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, _ := resource.NewPathAsset(filepath.Join(here, "dir", "a"))
	text, _ := resource.NewTextAsset("text")
	folder, _ := resource.NewPathArchive(filepath.Join(here, "dir"))
	content, _ := resource.NewPathArchive(filepath.Join(here, "dir") + "/")
	for _, c := range []struct {
		name, to, want string
		source         any
	}{
		{"file", "new/a", "new/a", file},
		{"file into a folder", "", "a", file},
		{"text", "sub/text", "sub/text", text},
		{"folder", "tree", "tree/dir/deep/er/b", folder},
		{"content of a folder", "flat", "flat/deep/er/b", content},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := props(t, map[string]any{
				"connection": machine.at(key), "source": c.source, "remotePath": filepath.Join(there, c.to),
			})
			if bad, err := s.Check(ctx, &rpc.CheckRequest{Urn: copyURN, News: in}); err != nil || len(bad.Failures) > 0 {
				t.Fatal(err, bad)
			}
			made, err := s.Create(ctx, &rpc.CreateRequest{Urn: copyURN, Properties: in})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(there, c.want)); err != nil {
				t.Fatal(err)
			}
			before := machine.logins.Load()
			same := props(t, map[string]any{
				"connection": machine.at(key), "source": c.source, "remotePath": filepath.Join(there, c.to),
				"triggers": []any{"x"},
			})
			if _, err := s.Update(ctx, &rpc.UpdateRequest{Urn: copyURN, Olds: made.Properties, News: same}); err != nil {
				t.Fatal(err)
			}
			if machine.logins.Load() != before {
				t.Error("copied again what had not changed")
			}
		})
	}
	in := props(t, map[string]any{"connection": machine.at(key), "source": folder, "remotePath": filepath.Join(there, "a")})
	if _, err := s.Create(ctx, &rpc.CreateRequest{Urn: copyURN, Properties: in}); err == nil {
		t.Error("a folder was copied onto a file")
	}
}

func TestCopyFile(t *testing.T) {
	key, signer := newKey(t)
	machine := startServer(t, signer.PublicKey())
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := os.WriteFile(from, []byte(strings.Repeat("x", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	in := props(t, map[string]any{"connection": machine.at(key), "localPath": from, "remotePath": to})
	if _, err := quiet(t).Create(context.Background(), &rpc.CreateRequest{Urn: fileURN, Properties: in}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(to); err != nil || info.Size() != 1<<20 {
		t.Fatal(err, info)
	}
}
