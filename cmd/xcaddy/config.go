// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

// load reads a build file: the JSON form of xcaddy's Builder, one object, no
// unknown member. Local replacement paths are relative to the file's folder and
// come back absolute, because xcaddy builds in a folder of its own.
func load(file string) (xcaddy.Builder, error) {
	f, err := os.Open(file)
	if err != nil {
		return xcaddy.Builder{}, fmt.Errorf("reading the build file: %w; run it in the checkout, or name the file with -config", err)
	}
	defer f.Close()
	b, err := decode(f)
	if err != nil {
		return xcaddy.Builder{}, fmt.Errorf("%s: %w", file, err)
	}
	folder, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return xcaddy.Builder{}, fmt.Errorf("finding the folder of %s: %w", file, err)
	}
	for i, r := range b.Replacements {
		if isLocal(r.New.String()) && !filepath.IsAbs(r.New.String()) {
			b.Replacements[i].New = xcaddy.ReplacementPath(filepath.Join(folder, r.New.String()))
		}
	}
	return b, nil
}

func decode(r io.Reader) (xcaddy.Builder, error) {
	var b xcaddy.Builder
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return b, fmt.Errorf("not the JSON form of xcaddy's Builder: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return b, errors.New("more than one JSON value")
	}
	switch {
	case b.CaddyVersion == "":
		return b, errors.New("caddy_version is missing; without it every build takes another Caddy")
	case len(b.Plugins) == 0:
		return b, errors.New("plugins is empty; such a build is plain Caddy")
	}
	for _, p := range b.Plugins {
		if p.PackagePath == "" || p.Version == "" {
			return b, fmt.Errorf("plugin %q needs module_path and version", p)
		}
	}
	return b, nil
}

// isLocal tells a path from a module, by go.mod's own rule.
func isLocal(path string) bool {
	return path == "." || path == ".." || strings.HasPrefix(path, "./") || strings.HasPrefix(path, "../") || filepath.IsAbs(path)
}
