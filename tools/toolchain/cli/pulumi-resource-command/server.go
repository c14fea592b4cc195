package main

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// allCalls is the context of what outlives a single call.
var allCalls = context.Background()

// options are those of reading and writing properties. Secrets come in the clear:
// the engine marks what a secret input turns into.
var options = plugin.MarshalOptions{KeepUnknowns: true, SkipNulls: true}

type server struct {
	rpc.UnimplementedResourceProviderServer
	log    func(diag.Severity, resource.URN, string)
	alive  context.Context // ends when the engine cancels the update
	cancel context.CancelFunc
}

func newServer(log func(diag.Severity, resource.URN, string)) *server {
	s := &server{log: log}
	s.alive, s.cancel = context.WithCancel(allCalls)
	return s
}

// Cancel stops the scripts that run.
func (s *server) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	s.cancel()
	return &emptypb.Empty{}, nil
}

func (s *server) CheckConfig(_ context.Context, req *rpc.CheckRequest) (*rpc.CheckResponse, error) {
	return &rpc.CheckResponse{Inputs: req.News}, nil
}

func (s *server) DiffConfig(context.Context, *rpc.DiffRequest) (*rpc.DiffResponse, error) {
	return &rpc.DiffResponse{}, nil
}

func (s *server) Configure(context.Context, *rpc.ConfigureRequest) (*rpc.ConfigureResponse, error) {
	return &rpc.ConfigureResponse{SupportsPreview: true}, nil
}

func (s *server) GetPluginInfo(context.Context, *emptypb.Empty) (*rpc.PluginInfo, error) {
	return &rpc.PluginInfo{Version: version}, nil
}

func (s *server) GetSchema(context.Context, *rpc.GetSchemaRequest) (*rpc.GetSchemaResponse, error) {
	return &rpc.GetSchemaResponse{Schema: fmt.Sprintf(`{"name":"command","version":%q}`, version)}, nil
}

func (s *server) Check(_ context.Context, req *rpc.CheckRequest) (*rpc.CheckResponse, error) {
	kind, err := kindOfURN(req.Urn)
	if err != nil {
		return nil, err
	}
	props, err := plugin.UnmarshalProperties(req.News, options)
	if err != nil {
		return nil, err
	}
	resp := &rpc.CheckResponse{Inputs: req.News}
	for _, bad := range kind.check(plain(props), props) {
		resp.Failures = append(resp.Failures, &rpc.CheckFailure{Property: bad.key, Reason: bad.reason})
	}
	return resp, nil
}

// Diff compares the inputs alone. Whatever changes runs an update, a connection
// too; a changed trigger replaces the resource.
func (s *server) Diff(_ context.Context, req *rpc.DiffRequest) (*rpc.DiffResponse, error) {
	kind, err := kindOfURN(req.Urn)
	if err != nil {
		return nil, err
	}
	old, err := plugin.UnmarshalProperties(req.OldInputs, options)
	if err != nil {
		return nil, err
	}
	now, err := plugin.UnmarshalProperties(req.News, options)
	if err != nil {
		return nil, err
	}
	resp := &rpc.DiffResponse{Changes: rpc.DiffResponse_DIFF_NONE}
	diff := old.Diff(now)
	if diff == nil {
		return resp, nil
	}
	for _, key := range diff.ChangedKeys() {
		resp.Changes = rpc.DiffResponse_DIFF_SOME
		resp.Diffs = append(resp.Diffs, string(key))
		if kind.noUpdate || key == "triggers" {
			resp.Replaces = append(resp.Replaces, string(key))
		}
	}
	return resp, nil
}

func (s *server) Create(ctx context.Context, req *rpc.CreateRequest) (*rpc.CreateResponse, error) {
	id, err := resource.NewUniqueHex(resource.URN(req.Urn).Name(), 8, 0)
	if err != nil {
		return nil, err
	}
	props, err := s.apply(ctx, req.Urn, req.Properties, nil, req.Preview, "create")
	return &rpc.CreateResponse{Id: id, Properties: props}, err
}

func (s *server) Read(_ context.Context, req *rpc.ReadRequest) (*rpc.ReadResponse, error) {
	return &rpc.ReadResponse{Id: req.Id, Properties: req.Properties, Inputs: req.Inputs}, nil
}

func (s *server) Update(ctx context.Context, req *rpc.UpdateRequest) (*rpc.UpdateResponse, error) {
	props, err := s.apply(ctx, req.Urn, req.News, req.Olds, req.Preview, "update", "create")
	return &rpc.UpdateResponse{Properties: props}, err
}

func (s *server) Delete(ctx context.Context, req *rpc.DeleteRequest) (*emptypb.Empty, error) {
	kind, err := kindOfURN(req.Urn)
	if err != nil || !kind.hasScripts {
		return &emptypb.Empty{}, err
	}
	_, err = s.apply(ctx, req.Urn, req.Properties, req.Properties, false, "delete")
	return &emptypb.Empty{}, err
}

// Invoke runs local.run: a script at each preview and update.
func (s *server) Invoke(ctx context.Context, req *rpc.InvokeRequest) (*rpc.InvokeResponse, error) {
	if req.Tok != "command:local:run" {
		return nil, fmt.Errorf("this build of the command provider has no %s", req.Tok)
	}
	props, err := plugin.UnmarshalProperties(req.Args, options)
	if err != nil {
		return nil, err
	}
	in := plain(props)
	keys := append([]string{"command", "environment", "stdin", "logging", "addPreviousOutputInEnv"}, localKeys...)
	resp := &rpc.InvokeResponse{}
	for _, bad := range append(in.unknown("", keys), in.checkLogging()...) {
		resp.Failures = append(resp.Failures, &rpc.CheckFailure{Property: bad.key, Reason: bad.reason})
	}
	if len(resp.Failures) > 0 {
		return resp, nil
	}
	ctx, cancel := s.bind(ctx)
	defer cancel()
	out := newOutput(in.text("logging"), func(line string) { s.log(diag.Info, "", line) })
	if err := runLocal(ctx, in, in.text("command"), nil, out); err != nil {
		return nil, err
	}
	props["stdout"] = resource.NewProperty(out.stdout.text())
	props["stderr"] = resource.NewProperty(out.stderr.text())
	resp.Return, err = plugin.MarshalProperties(props, options)
	return resp, err
}

// apply runs the first of the scripts that the resource has, or the copy that it
// stands for, and returns the resource's new state.
func (s *server) apply(
	ctx context.Context, urn string, news, olds *structpb.Struct, preview bool, scripts ...string,
) (*structpb.Struct, error) {
	kind, err := kindOfURN(urn)
	if err != nil {
		return nil, err
	}
	props, err := plugin.UnmarshalProperties(news, options)
	if err != nil {
		return nil, err
	}
	if preview {
		for _, key := range kind.outputs {
			props[resource.PropertyKey(key)] = resource.MakeComputed(resource.NewProperty(""))
		}
		return plugin.MarshalProperties(props, options)
	}
	old, err := plugin.UnmarshalProperties(olds, options)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bind(ctx)
	defer cancel()
	added, err := kind.run(ctx, job{
		in: plain(props), props: props, old: old, scripts: scripts, isUpdate: olds != nil,
		log: func(line string) { s.log(diag.Info, resource.URN(urn), line) },
	})
	if err != nil {
		return nil, err
	}
	for key, value := range added {
		props[key] = value
	}
	return plugin.MarshalProperties(props, options)
}

// bind returns a context that ends with ctx and when the engine cancels the update.
func (s *server) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	unbind := context.AfterFunc(s.alive, cancel)
	return ctx, func() { unbind(); cancel() }
}

func kindOfURN(urn string) (kindOf, error) {
	typ := string(resource.URN(urn).Type())
	kind, ok := kinds[typ]
	if !ok {
		return kindOf{}, fmt.Errorf("this build of the command provider has no %s", typ)
	}
	return kind, nil
}

// plain returns props as plain values.
func plain(props resource.PropertyMap) inputs { return inputs(props.Mappable()) }
