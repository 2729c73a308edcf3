// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// files makes the merchant's key pair in a folder.
func files(t *testing.T) (public, private string) {
	t.Helper()
	key := newKey(t)
	dir := t.TempDir()
	write := func(name, label string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return write("pub.pem", "PUBLIC KEY", der), write("key.pem", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

func TestServesAndStops(t *testing.T) {
	public, _ := files(t)
	dir := filepath.Join(t.TempDir(), "keys")
	start := func() (key string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		reader, writer := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			err := run(ctx, []string{"-listen", "127.0.0.1:0", "-app-id", "9021000100000001",
				"-app-public-key", public, "-keys", dir}, writer, io.Discard)
			_ = writer.Close()
			ended <- err
		}()
		greeting := make([]byte, 1024)
		n, err := reader.Read(greeting)
		if err != nil {
			t.Fatalf("no greeting: %v, %v", err, <-ended)
		}
		address := regexp.MustCompile(`http://[0-9.:]+/alipay_public_key.pem`).Find(greeting[:n])
		response, err := http.Get(string(address))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		http.DefaultClient.CloseIdleConnections()
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("does not stop")
		}
		return string(text)
	}
	first, second := start(), start()
	if first != second || !strings.Contains(first, "BEGIN PUBLIC KEY") {
		t.Errorf("the pair was not kept:\n%s\n%s", first, second)
	}
	onDisk, err := os.ReadFile(filepath.Join(dir, publicKeyFile))
	if err != nil || string(onDisk) != first {
		t.Errorf("the public key's file: %v", err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, privateKeyFile): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestMistakesNameTheFlagAndTheCure(t *testing.T) {
	public, private := files(t)
	keys := filepath.Join(t.TempDir(), "keys")
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, privateKeyFile), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := map[string]string{"-app-id": "9021000100000001", "-app-public-key": public, "-keys": keys, "-listen": "127.0.0.1:0"}
	for name, test := range map[string]struct {
		change map[string]string
		want   []string
	}{
		"no app id":   {map[string]string{"-app-id": ""}, []string{"-app-id is missing"}},
		"bad app id":  {map[string]string{"-app-id": "shop"}, []string{"app id", "-app-id"}},
		"no key":      {map[string]string{"-app-public-key": ""}, []string{"-app-public-key is missing"}},
		"no file":     {map[string]string{"-app-public-key": "/nowhere"}, []string{"-app-public-key", "no such file", "openssl"}},
		"private key": {map[string]string{"-app-public-key": private}, []string{"-app-public-key", "this is a private key"}},
		"port taken":  {map[string]string{"-listen": taken.Addr().String()}, []string{"in use", "-listen"}},
		"all":         {map[string]string{"-listen": "0.0.0.0:9402"}, []string{"-allow-remote", "127.0.0.1:9402"}},
		"bare port":   {map[string]string{"-listen": ":9402"}, []string{"-allow-remote"}},
		"no port":     {map[string]string{"-listen": "localhost"}, []string{"-listen", "host:port"}},
		"speed":       {map[string]string{"-speed": "0"}, []string{"-speed 0"}},
		"finish":      {map[string]string{"-finish-after": "-1h"}, []string{"-finish-after -1h0m0s"}},
		"keys":        {map[string]string{"-keys": broken}, []string{"-keys", "delete it"}},
		"content key": {map[string]string{"-content-key": "AAAA"}, []string{"-content-key", "16 bytes"}},
		"no faults":   {map[string]string{"-faults": "/nowhere"}, []string{"-faults", "no such file"}},
		"bad faults":  {map[string]string{"-faults": public}, []string{"-faults", "invalid character"}},
		"keys a file": {map[string]string{"-keys": public}, []string{"-keys", "not a directory"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // a success would end at once
			var args []string
			for flagName, value := range good {
				if changed, ok := test.change[flagName]; ok {
					value = changed
				}
				args = append(args, flagName, value)
			}
			for flagName, value := range test.change {
				if _, ok := good[flagName]; !ok {
					args = append(args, flagName, value)
				}
			}
			err := run(ctx, args, io.Discard, io.Discard)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
		})
	}
}

// The documentation starts the program as it can be started, and its scenario
// files are files of faults.
func TestDocumentedStartAndScenarioFiles(t *testing.T) {
	page, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile("```sh start\ngo run ./cmd/alipay-sandbox (.*)\n```").FindSubmatch(page)
	if command == nil {
		t.Fatal("docs/sandbox.md does not start the program")
	}
	if opts, err := parse(strings.Fields(string(command[1])), io.Discard); err != nil || opts.listen != "127.0.0.1:9402" {
		t.Errorf("%s: %+v, %v", command[1], opts, err)
	}
	for _, flagName := range regexp.MustCompile("(?m)^\\| `-([a-z-]+)").FindAllStringSubmatch(string(page), -1) {
		var help bytes.Buffer
		if _, err := parse([]string{"-help"}, &help); !strings.Contains(help.String(), "  -"+flagName[1]+"\n") &&
			!strings.Contains(help.String(), "  -"+flagName[1]+" ") {
			t.Errorf("no flag -%s, %v", flagName[1], err)
		}
	}
	public, _ := files(t)
	scenarios, err := filepath.Glob("../../examples/sandbox/*.json")
	if err != nil || len(scenarios) == 0 {
		t.Fatalf("%d scenario files, %v", len(scenarios), err)
	}
	keys := filepath.Join(t.TempDir(), "keys")
	for _, file := range scenarios {
		gateway, err := open(options{
			appID: "9021000100000001", appKeyFile: public, keys: keys, speed: 1, faults: file,
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if gateway.Faults().About == "" {
			t.Errorf("%s does not say what it is about", file)
		}
		gateway.Close()
	}
}

func TestHelpAndSurplusArguments(t *testing.T) {
	var help bytes.Buffer
	if err := run(t.Context(), []string{"-help"}, io.Discard, &help); !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "-allow-remote") {
		t.Errorf("%v: %s", err, help.String())
	}
	if err := run(t.Context(), []string{"extra"}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "unexpected argument") {
		t.Errorf("%v", err)
	}
}

// Certificate mode issues its files once, and anew for another app key.
func TestCertificateFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	alipay, err := keyPair(dir)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(app *rsa.PublicKey) string {
		t.Helper()
		set, err := certificates(dir, app, &alipay.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return set.AppSN() + set.AlipaySN() + set.RootSN()
	}
	first, second := newKey(t), newKey(t)
	before := issue(&first.PublicKey)
	if again := issue(&first.PublicKey); again != before {
		t.Error("a second start issues new certificates")
	}
	if issue(&second.PublicKey) == before {
		t.Error("another app key got the old certificates")
	}
	if err := os.WriteFile(filepath.Join(dir, rootCertFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := certificates(dir, &second.PublicKey, &alipay.PublicKey); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("an empty root file: %v", err)
	}
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
