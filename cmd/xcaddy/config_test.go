// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/xcaddy"
)

const root = "../.."

// The build file must not build another Caddy, or another plugin, than the one
// that go.mod names and the tests run with.
func TestBuildFileAgreesWithGoMod(t *testing.T) {
	t.Parallel()
	module, required := goMod(t)
	b, err := load(filepath.Join(root, "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	if want := required["github.com/caddyserver/caddy/v2"]; b.CaddyVersion != want {
		t.Errorf("caddy_version is %q, go.mod has %q", b.CaddyVersion, want)
	}
	if b.Plugins[0].PackagePath != module {
		t.Errorf("the first plugin is %q, the module %q", b.Plugins[0].PackagePath, module)
	}
	for _, p := range b.Plugins[1:] {
		if want, ok := required[p.PackagePath]; ok && p.Version != want {
			t.Errorf("plugin %s, go.mod has %q", p, want)
		}
	}
	folder, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	want := xcaddy.NewReplace(b.Plugins[0].String(), folder)
	if len(b.Replacements) != 1 || b.Replacements[0] != want {
		t.Errorf("replacements are %v, want %v", b.Replacements, want)
	}
}

// goMod is the module's path and the versions that it requires.
func goMod(t *testing.T) (module string, required map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Module  struct{ Path string }
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	required = make(map[string]string)
	for _, r := range mod.Require {
		required[r.Path] = r.Version
	}
	return mod.Module.Path, required
}

func TestBuildFileIsReadStrictly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"not json":       {`caddy`, "not the JSON form"},
		"unknown member": {`{"caddy_version":"v2.11.9","plugin":[]}`, `unknown field "plugin"`},
		"two values":     {`{"caddy_version":"v2.11.9","plugins":[{"module_path":"a.b/c","version":"v1.0.0"}]}{}`, "more than one"},
		"no version":     {`{"plugins":[{"module_path":"a.b/c","version":"v1.0.0"}]}`, "caddy_version is missing"},
		"no plugin":      {`{"caddy_version":"v2.11.9"}`, "plugins is empty"},
		"loose plugin":   {`{"caddy_version":"v2.11.9","plugins":[{"module_path":"a.b/c"}]}`, `plugin "a.b/c" needs`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := decode(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestReplacementPaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		".": true, "..": true, "./plugin": true, "../plugin": true, "/src/plugin": true,
		"github.com/a/b": false, ".hidden/b": false, "a/../b": false,
	} {
		if isLocal(path) != want {
			t.Errorf("isLocal(%q) is not %t", path, want)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "made", "caddy")
	var built xcaddy.Builder
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"-config", filepath.Join(root, "xcaddy.json"), "-output", output}, &stdout, &stderr,
		func(b xcaddy.Builder, _ context.Context, path string) error {
			built = b
			return os.WriteFile(path, nil, 0o700) // the folder has to be there
		})
	if err != nil {
		t.Fatal(err)
	}
	if stdout.String() != output+"\n" || built.CaddyVersion == "" {
		t.Errorf("printed %q, built Caddy %q", &stdout, built.CaddyVersion)
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	errBuild := errors.New("no compiler")
	fail := func(xcaddy.Builder, context.Context, string) error { return errBuild }
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"argument":   {[]string{"build"}, `unexpected argument "build"`},
		"no file":    {[]string{"-config", filepath.Join(t.TempDir(), "none.json")}, "name the file with -config"},
		"the build":  {[]string{"-config", filepath.Join(root, "xcaddy.json"), "-output", filepath.Join(t.TempDir(), "c")}, errBuild.Error()},
		"the option": {[]string{"-with", "x"}, "flag provided but not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), c.args, &stdout, &stderr, fail)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if stdout.Len() > 0 {
				t.Errorf("a failed build printed %q", &stdout)
			}
		})
	}
}
