package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// job is one run of a resource's life.
type job struct {
	in       inputs               // what the program gave
	props    resource.PropertyMap // the same, with assets
	old      resource.PropertyMap // the resource's last state, if any
	scripts  []string             // the inputs to take the script from, the best first
	log      func(string)
	isUpdate bool
}

// kindOf says how the resources of one type work.
type kindOf struct {
	check      func(inputs, resource.PropertyMap) []failure
	run        func(context.Context, job) (resource.PropertyMap, error) // returns what is added to the inputs
	outputs    []string                                                 // that are known after the run only
	noUpdate   bool                                                     // any change replaces the resource
	hasScripts bool                                                     // deleting runs something
}

var kinds = map[string]kindOf{
	"command:local:Command": {
		check: func(in inputs, _ resource.PropertyMap) []failure {
			return slices.Concat(in.unknown("", commandKeys, localKeys), in.checkLogging())
		},
		run: runCommand(runLocal), outputs: []string{"stdout", "stderr"}, hasScripts: true,
	},
	"command:remote:Command": {
		check: func(in inputs, _ resource.PropertyMap) []failure {
			return slices.Concat(in.unknown("", commandKeys, []string{"connection"}), in.checkLogging(), in.checkConnection())
		},
		run: runCommand(runRemote), outputs: []string{"stdout", "stderr"}, hasScripts: true,
	},
	"command:remote:CopyToRemote": {
		check: func(in inputs, props resource.PropertyMap) []failure {
			bad := in.unknown("", []string{"connection", "triggers", "source", "remotePath"})
			return slices.Concat(bad, in.checkConnection(), checkSource(props["source"]))
		},
		run: copyToRemote,
	},
	"command:remote:CopyFile": {
		check: func(in inputs, _ resource.PropertyMap) []failure {
			return slices.Concat(in.unknown("", []string{"connection", "triggers", "localPath", "remotePath"}), in.checkConnection())
		},
		run: func(ctx context.Context, j job) (resource.PropertyMap, error) {
			src := source{path: j.in.text("localPath")}
			return nil, copyOver(ctx, j.in, src, j.in.text("remotePath"), j.log)
		},
		noUpdate: true,
	},
}

type runner func(context.Context, inputs, string, []string, output) error

// runCommand runs the first of a job's scripts that the resource has. Without any,
// the resource keeps the outputs it had.
func runCommand(run runner) func(context.Context, job) (resource.PropertyMap, error) {
	return func(ctx context.Context, j job) (resource.PropertyMap, error) {
		before := func(key string) string {
			if v, ok := j.old[resource.PropertyKey(key)]; ok && v.IsString() {
				return v.StringValue()
			}
			return ""
		}
		result := func(stdout, stderr string) resource.PropertyMap {
			return resource.PropertyMap{
				"stdout": resource.NewProperty(stdout), "stderr": resource.NewProperty(stderr),
			}
		}
		for _, key := range j.scripts {
			script := j.in.text(key)
			if script == "" {
				continue
			}
			out := newOutput(j.in.text("logging"), j.log)
			if err := run(ctx, j.in, script, j.in.previous(before("stdout"), before("stderr")), out); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			return result(out.stdout.text(), out.stderr.text()), nil
		}
		return result(before("stdout"), before("stderr")), nil
	}
}

// copyToRemote copies the source unless the same is there already.
func copyToRemote(ctx context.Context, j job) (resource.PropertyMap, error) {
	now := j.props["source"]
	if j.isUpdate && now.DeepEquals(j.old["source"]) && j.props["remotePath"].DeepEquals(j.old["remotePath"]) {
		return nil, nil
	}
	var src source
	switch {
	case now.IsAsset() && now.AssetValue().IsText():
		src = source{text: now.AssetValue().Text, isText: true}
	case now.IsAsset():
		src = source{path: now.AssetValue().Path}
	case now.IsArchive():
		src = source{path: now.ArchiveValue().Path}
	}
	return nil, copyOver(ctx, j.in, src, j.in.text("remotePath"), j.log)
}

func checkSource(v resource.PropertyValue) []failure {
	switch {
	case v.ContainsUnknowns():
		return nil
	case v.IsAsset() && (v.AssetValue().IsPath() || v.AssetValue().IsText()):
		return nil
	case v.IsArchive() && v.ArchiveValue().IsPath():
		return nil
	}
	return []failure{{"source", "must be a FileAsset, a StringAsset or a FileArchive with a path"}}
}
