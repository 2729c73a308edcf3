// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// canonical is the text that Alipay signs of a notice's or a return's parameters.
func canonical(v url.Values) string {
	var pairs []string
	for _, name := range slices.Sorted(keysOf(v)) {
		if name != "sign" && name != "sign_type" {
			pairs = append(pairs, name+"="+v.Get(name))
		}
	}
	return strings.Join(pairs, "&")
}

// sign signs parameters as Alipay signs notices and returns, with code of the
// test's own.
func sign(key *rsa.PrivateKey, v url.Values) url.Values {
	digest := sha256.Sum256([]byte(canonical(v)))
	v.Set("sign_type", "RSA2")
	v.Set("sign", base64.StdEncoding.EncodeToString(must(rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]))))
	return v
}

func keysOf(v url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range v {
			if !yield(k) {
				return
			}
		}
	}
}
