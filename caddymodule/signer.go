// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto"
	"fmt"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// SignerProvider is what a guest module of the namespace alipay.signers
// implements. The module alipay.signers.<scheme> provides the app's private key
// for a value of app_private_key that begins with <scheme>: and may keep it
// outside this process: in a PKCS#11 token, or in a cloud's key store.
type SignerProvider interface {
	// Signer returns the signer for a URI, scheme included. It has to sign
	// SHA-256 digests with RSA PKCS#1 v1.5, from several goroutines at a time.
	Signer(uri string) (crypto.Signer, error)
}

// schemeForm tells a URI from a path; a single letter is a Windows drive.
var schemeForm = regexp.MustCompile(`^([a-z][a-z0-9+.-]+):`)

// openSigner loads the signer module that app_private_key names, if it does.
func (l *keyLoader) openSigner(ctx caddy.Context) error {
	uri := l.account.AppPrivateKey
	match := schemeForm.FindStringSubmatch(uri)
	if match == nil || match[1] == "file" || isInline(uri) {
		return nil
	}
	const namespace = "alipay.signers"
	if _, err := caddy.GetModule(namespace + "." + match[1]); err != nil {
		return fmt.Errorf("app_private_key: this binary has no signer for %s: URIs (it has: %s); add the module %s.%s with xcaddy, or name a file",
			match[1], strings.Join(append([]string{"file"}, guests(namespace)...), ", "), namespace, match[1])
	}
	mod, err := ctx.LoadModuleByID(namespace+"."+match[1], nil)
	if err != nil {
		return fmt.Errorf("app_private_key: %w", err)
	}
	provider, ok := mod.(SignerProvider)
	if !ok {
		return fmt.Errorf("app_private_key: module %T does not implement SignerProvider", mod)
	}
	if l.signer, err = provider.Signer(uri); err != nil {
		return fmt.Errorf("app_private_key: %w", err)
	}
	return nil
}
