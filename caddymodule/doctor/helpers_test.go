// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"crypto/rsa"
	"crypto/x509"
	"io"
	"log"
	"net"
	"testing"
)

// quietLog takes what a server says of clients that do not trust it.
var quietLog = log.New(io.Discard, "", 0)

func publicDER(key *rsa.PrivateKey) []byte { return must(x509.MarshalPKIXPublicKey(&key.PublicKey)) }

func privateDER(key *rsa.PrivateKey) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(key) }

// closedAddress is one at which nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
