// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	zapobserver "go.uber.org/zap/zaptest/observer"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// keyFolder is an account whose keys are files in a folder of the test.
type keyFolder struct {
	t    *testing.T
	dir  string
	logs *zapobserver.ObservedLogs
	*Account
}

func newKeyFolder(t *testing.T) *keyFolder {
	core, logs := zapobserver.New(zapcore.InfoLevel)
	f := &keyFolder{t: t, dir: t.TempDir(), logs: logs}
	f.write("app.pem", "PRIVATE KEY", marshalPrivate(t, newRSA(t)))
	f.write("alipay.pem", "PUBLIC KEY", marshalPublic(t, newRSA(t)))
	f.Account = &Account{AppID: "2021000000000001", AppPrivateKey: f.path("app.pem"), AlipayPublicKey: f.path("alipay.pem")}
	f.keys = &keyLoader{account: f.Account, logger: zap.New(core)}
	cfg, err := f.keys.load()
	if err == nil {
		f.gateway, err = gateway.New(cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.gateway.Close)
	return f
}

func newRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func marshalPrivate(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func marshalPublic(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (f *keyFolder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *keyFolder) write(name, label string, der []byte) {
	f.t.Helper()
	f.put(name, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

// put replaces a file at once: a tick that is being worked off sees it as it was or
// as it is, and never half of it.
func (f *keyFolder) put(name string, data []byte) {
	f.t.Helper()
	if err := os.WriteFile(f.path(name)+".new", data, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path(name)+".new", f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

// fingerprint is that of Alipay's key in use.
func (f *keyFolder) fingerprint() string {
	return gateway.KeyName(f.gateway.Verifier().Keys()[0].Public)
}

// watching runs the watch; the function it returns ticks it and waits until the
// tick has been worked off.
func (f *keyFolder) watching() (tick func(now time.Time)) {
	ticks := make(chan time.Time)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.watch(f.t.Context(), ticks)
	}()
	f.t.Cleanup(func() { <-done })
	return func(now time.Time) {
		ticks <- now
		ticks <- now // taken only after the first one was worked off
	}
}

// TestKeyFilesAreReadAgain: a changed key counts at once, a broken one leaves the
// old ones in use and is said once, and mending it needs no restart either.
func TestKeyFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	f := newKeyFolder(t)
	tick := f.watching()
	first := f.fingerprint()
	now := time.Now()
	tick(now)
	if f.fingerprint() != first || f.logs.Len() != 0 {
		t.Fatalf("read again without a change: %v", f.logs.All())
	}
	f.put("alipay.pem", []byte("half a ke"))
	tick(now)
	tick(now)
	if got := f.logs.FilterMessageSnippet("cannot be used").Len(); f.fingerprint() != first || got != 1 {
		t.Fatalf("after a broken file: said %d times, %v", got, f.logs.All())
	}
	f.write("alipay.pem", "PUBLIC KEY", marshalPublic(t, newRSA(t)))
	tick(now)
	if f.fingerprint() == first || f.logs.FilterMessageSnippet("read changed key files").Len() != 1 {
		t.Fatalf("the new key is not in use: %v", f.logs.All())
	}
	for _, entry := range f.logs.All() {
		if text := entry.Message + fields(entry); strings.Contains(text, "BEGIN") || strings.Contains(text, "MII") {
			t.Errorf("a log line holds a key: %s", text)
		}
	}
}

func fields(entry zapobserver.LoggedEntry) string {
	var b strings.Builder
	for name, value := range entry.ContextMap() {
		b.WriteString(name)
		if s, ok := value.(string); ok {
			b.WriteString(s)
		}
	}
	return b.String()
}

// TestExpiringCertificates are warned of from 30 days ahead, once a day.
func TestExpiringCertificates(t *testing.T) {
	t.Parallel()
	f := newKeyFolder(t)
	now := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	f.keys.certs.Store(&[]certificate{
		{option: "app_cert", expiry: now.Add(40 * 24 * time.Hour)},
		{option: "alipay_cert", expiry: now.Add(20 * 24 * time.Hour)},
	})
	count := func(message string) int { return f.logs.FilterMessageSnippet(message).Len() }
	warned := f.keys.warnExpiry(now, time.Time{})
	for hours := range 23 {
		warned = f.keys.warnExpiry(now.Add(time.Duration(hours)*time.Hour), warned)
	}
	if count("expires soon") != 1 || count("has expired") != 0 {
		t.Fatalf("on the first day: %v", f.logs.All())
	}
	f.keys.warnExpiry(now.Add(21*24*time.Hour), warned)
	if count("expires soon") != 2 || count("has expired") != 1 {
		t.Fatalf("three weeks later: %v", f.logs.All())
	}
}

// tokenSigner is a signer module, as a guest would be.
type tokenSigner struct{ key crypto.Signer }

var theToken crypto.Signer

func (tokenSigner) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "alipay.signers.testtoken", New: func() caddy.Module { return new(tokenSigner) }}
}

func (s *tokenSigner) Provision(caddy.Context) error {
	s.key = theToken
	return nil
}

func (s *tokenSigner) Signer(string) (crypto.Signer, error) { return s.key, nil }

// TestSignerModule: the private key can be a guest module's, and is asked for
// once, however often the files are read.
func TestSignerModule(t *testing.T) {
	theToken = newRSA(t)
	caddy.RegisterModule(tokenSigner{})
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	f := newKeyFolder(t)
	f.AppPrivateKey = "testtoken:slot=1"
	f.keys = &keyLoader{account: f.Account, logger: zap.NewNop()}
	if err := f.keys.openSigner(ctx); err != nil {
		t.Fatal(err)
	}
	cfg, err := f.keys.load()
	if err != nil || cfg.PrivateKey != theToken {
		t.Fatalf("%v, %v", cfg.PrivateKey, err)
	}
	if len(f.keys.files) != 1 || f.keys.files[0] != f.path("alipay.pem") {
		t.Errorf("reads %v", f.keys.files)
	}
}
