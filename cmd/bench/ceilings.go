// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

func init() {
	caddy.RegisterModule(new(verifyOnly))
	httpcaddyfile.RegisterHandlerDirective("bench_verify", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		v := new(verifyOnly)
		h.Next() // the directive's name
		if !h.AllArgs(&v.AppID, &v.PublicKey) {
			return nil, h.ArgErr()
		}
		return v, nil
	})
}

// verifyOnly is the ceiling of what a handler in Caddy can do with a notice: it
// reads the body, parses and verifies it, and answers. Nothing is looked up,
// stored, told or logged.
type verifyOnly struct {
	AppID     string `json:"app_id,omitempty"`
	PublicKey string `json:"public_key,omitempty"` // a file

	verifier *gateway.Verifier
}

// CaddyModule returns the module's information.
func (*verifyOnly) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_verify", New: func() caddy.Module { return new(verifyOnly) }}
}

// Provision reads the key.
func (v *verifyOnly) Provision(caddy.Context) error {
	data, err := os.ReadFile(v.PublicKey)
	if err != nil {
		return err
	}
	key, err := gateway.ParsePublicKey(data)
	if err != nil {
		return err
	}
	v.verifier, err = gateway.NewVerifier(v.AppID, gateway.AlipayKey{Public: key})
	return err
}

func (v *verifyOnly) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if r.ContentLength < 0 || r.ContentLength > gateway.MaxNotifyBody {
		return caddyhttp.Error(http.StatusBadRequest, errors.New("no notice"))
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return err
	}
	status, text := http.StatusOK, "success"
	if _, err := v.verifier.Notify(r.Header.Get("Content-Type"), body, time.Now()); err != nil {
		status, text = http.StatusBadRequest, "failure"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, err := io.WriteString(w, text)
	return err
}

// bareRSA is the CPU time that n operations of crypto/rsa take, without
// anything around them.
func bareRSA(dir, op string, n int) (time.Duration, error) {
	name := alipayKeyFile
	if op == "sign" {
		name = appKeyFile
	}
	key, err := loadKey(dir, name)
	if err != nil {
		return 0, err
	}
	key.Precompute()
	sum := sha256.Sum256([]byte("notice"))
	sign, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return 0, err
	}
	before := cpuTime()
	for range n {
		if op == "sign" {
			_, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		} else {
			err = rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], sign)
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", op, err)
		}
	}
	return cpuTime() - before, nil
}

var (
	_ caddy.Provisioner           = (*verifyOnly)(nil)
	_ caddyhttp.MiddlewareHandler = (*verifyOnly)(nil)
)
