// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// issue makes a certificate below a parent; nil makes a root.
func issue(t *testing.T, name string, ca bool, parent *x509.Certificate, parentKey *rsa.PrivateKey) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: testTime, NotAfter: testTime.AddDate(1, 0, 0), IsCA: ca, BasicConstraintsValid: true,
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// TestCheckChain: a certificate leads to its own root alone, by the issuers that
// stand behind it, however long ago it has ended.
func TestCheckChain(t *testing.T) {
	t.Parallel()
	root, rootKey := issue(t, "R1", true, nil, nil)
	middle, middleKey := issue(t, "Class 2 R1", true, root, rootKey)
	leaf, _ := issue(t, "Alipay", false, middle, middleKey)
	other, _ := issue(t, "R1", true, nil, nil) // of the same name
	for name, c := range map[string]struct {
		chain, roots []*x509.Certificate
		ok           bool
	}{
		"complete":           {[]*x509.Certificate{leaf, middle}, []*x509.Certificate{other, root}, true},
		"issuer is missing":  {[]*x509.Certificate{leaf}, []*x509.Certificate{root}, false},
		"another root":       {[]*x509.Certificate{leaf, middle}, []*x509.Certificate{other}, false},
		"no root":            {[]*x509.Certificate{leaf, middle}, nil, false},
		"nothing at all":     {nil, []*x509.Certificate{root}, false},
		"root as the issuer": {[]*x509.Certificate{middle}, []*x509.Certificate{root}, true},
	} {
		if err := CheckChain(c.chain, c.roots); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
