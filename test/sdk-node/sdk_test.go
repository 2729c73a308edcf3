// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package sdknode_test lets Alipay's official Node SDK be a client of the
// sandbox. The script that it runs also serves by hand, see docs/sandbox.md.
package sdknode_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

const contentKey = "MDEyMzQ1Njc4OWFiY2RlZg=="

// scriptTime bounds one run; it takes about two seconds.
const scriptTime = 2 * time.Minute

// requireSDK skips without Node or the SDK, but never in CI.
func requireSDK(t *testing.T) (node string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join("node_modules", "alipay-sdk"))
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("no alipay-sdk; run: npm ci --prefix test/sdk-node")
		}
	}
	switch {
	case err == nil:
		return node
	case os.Getenv("CI") != "":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return ""
}

// The official SDK's integration against the sandbox, in both modes of keys.
func TestOfficialNodeSDK(t *testing.T) {
	node := requireSDK(t)
	key, err := base64.StdEncoding.DecodeString(contentKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config func(*testing.T) sandboxtest.Options
		args   []string
	}{
		"public key":  {keyMode, nil},
		"certificate": {certMode, []string{"--cert-mode"}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := test.config(t)
			opts.Config.ContentKey = key
			g := sandboxtest.New(t, opts)
			private := filepath.Join(t.TempDir(), "app_private_key.pem")
			if err := os.WriteFile(private, g.AppPrivatePEM(), 0o600); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"integration.mjs", "--gateway", g.URL, "--app-id", g.AppID,
				"--app-private-key", private, "--content-key", contentKey}, test.args...)
			transcript := run(t, node, args)
			t.Logf("\n%s", transcript)
			if !regexp.MustCompile(`(?m)^[0-9]{2,} checks held, 0 failed$`).Match(transcript) {
				t.Error("the transcript does not end with its sum")
			}
		})
	}
}

func keyMode(*testing.T) sandboxtest.Options { return sandboxtest.Options{} }

func certMode(t *testing.T) sandboxtest.Options {
	t.Helper()
	// A gateway made only for its keys, so that both sides' certificates fit.
	keys := sandboxtest.New(t, sandboxtest.Options{})
	alipay, err := sandbox.ParsePublicKey(keys.PublicKeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	set, err := sandbox.NewCertificates(&keys.AppKey.PublicKey, alipay)
	if err != nil {
		t.Fatal(err)
	}
	return sandboxtest.Options{AppKey: keys.AppKey, Config: sandbox.Config{Certificates: set}}
}

// run runs the script and fails the test, with its output, unless it exits 0.
func run(t *testing.T, node string, args []string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scriptTime)
	defer cancel()
	command := exec.CommandContext(ctx, node, args...)
	command.Env = append(os.Environ(), "NODE_OPTIONS=", "NO_PROXY=*", "no_proxy=*")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, output.Bytes())
	}
	return output.Bytes()
}
