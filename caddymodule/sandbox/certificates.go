// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

// Certificates put a gateway into certificate mode: requests then name the
// app's certificate and the root, answers name the gateway's.
type Certificates struct {
	App    *x509.Certificate   // appCertPublicKey.crt
	Alipay *x509.Certificate   // alipayCertPublicKey_RSA2.crt
	Issuer *x509.Certificate   // stands after Alipay's in its file
	Roots  []*x509.Certificate // alipayRootCert.crt, not only RSA ones
	// Next is Alipay's certificate after the fault cert_rolled: the same key
	// under another number.
	Next *x509.Certificate
}

// NewCertificates issues a set for the app's key and the gateway's key, signed
// by a root that is made for them and forgotten.
func NewCertificates(app, alipay *rsa.PublicKey) (*Certificates, error) {
	now := time.Now()
	authority, err := wire.NewAuthority(now)
	if err != nil {
		return nil, err
	}
	set := &Certificates{Issuer: authority.Root, Roots: []*x509.Certificate{authority.Extra, authority.Root}}
	for _, leaf := range []struct {
		name string
		key  *rsa.PublicKey
		into **x509.Certificate
	}{
		{"Sandbox merchant", app, &set.App},
		{"Sandbox gateway", alipay, &set.Alipay},
		{"Sandbox gateway", alipay, &set.Next},
	} {
		if *leaf.into, err = authority.Issue(leaf.name, leaf.key, now); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// AppPEM is the file appCertPublicKey_<app id>.crt.
func (c *Certificates) AppPEM() []byte { return wire.CertPEM(c.App) }

// AlipayPEM is the file alipayCertPublicKey_RSA2.crt: the gateway's certificate
// and its issuer's.
func (c *Certificates) AlipayPEM() []byte { return wire.CertPEM(c.Alipay, c.Issuer) }

// RootPEM is the file alipayRootCert.crt.
func (c *Certificates) RootPEM() []byte { return wire.CertPEM(c.Roots...) }

// AppSN and RootSN are what requests must carry, AlipaySN what answers carry.
func (c *Certificates) AppSN() string { return wire.CertSN(c.App) }

// RootSN is alipay_root_cert_sn.
func (c *Certificates) RootSN() string { return wire.RootSN(c.Roots) }

// AlipaySN is alipay_cert_sn.
func (c *Certificates) AlipaySN() string { return wire.CertSN(c.Alipay) }

func (c *Certificates) check(app, alipay *rsa.PublicKey) error {
	if c.App == nil || c.Alipay == nil || c.Issuer == nil || c.Next == nil || len(c.Roots) == 0 {
		return errors.New("the certificates are incomplete; NewCertificates makes a set")
	}
	if !app.Equal(c.App.PublicKey) {
		return errors.New("the app's certificate is not for the app's public key")
	}
	if !alipay.Equal(c.Alipay.PublicKey) || !alipay.Equal(c.Next.PublicKey) {
		return errors.New("the gateway's certificate is not for the gateway's key")
	}
	return nil
}

// checkCertificates compares the numbers that a request carries. An app is in
// one mode only: numbers in key mode are refused too.
func (s *Sandbox) checkCertificates(req *request) error {
	app, root := req.params.Get("app_cert_sn"), req.params.Get("alipay_root_cert_sn")
	if s.cfg.Certificates == nil {
		if app != "" || root != "" {
			return invalid("app-cert-not-exist", "应用未使用公钥证书模式，请勿传 app_cert_sn 与 alipay_root_cert_sn")
		}
		return nil
	}
	switch {
	case app == "":
		return missing("app-cert-sn")
	case root == "":
		return missing("alipay-root-cert-sn")
	case app != s.cfg.Certificates.AppSN():
		return invalid("app-cert-not-exist", "应用公钥证书不存在，请检查 app_cert_sn")
	case root != s.cfg.Certificates.RootSN():
		return invalid("invalid-alipay-root-cert-sn", "支付宝根证书序列号错误")
	}
	return nil
}

// certSN is the number of the certificate in force for an order's answers, ""
// in key mode. It runs under s.mu.
func (s *Sandbox) certSN(outTradeNo, method string) string {
	if s.cfg.Certificates == nil {
		return ""
	}
	if _, ok := s.strikes("cert_rolled", outTradeNo, method); ok {
		return wire.CertSN(s.cfg.Certificates.Next)
	}
	return s.cfg.Certificates.AlipaySN()
}

// certDownload is alipay.open.app.alipaycert.download.
func (s *Sandbox) certDownload(req *request) (object, error) {
	number, err := req.scalar("alipay_cert_sn", 64)
	if err != nil {
		return nil, err
	}
	if set := s.cfg.Certificates; set != nil {
		for _, cert := range []*x509.Certificate{set.Alipay, set.Next} {
			if wire.CertSN(cert) == number {
				content := base64.StdEncoding.EncodeToString(wire.CertPEM(cert, set.Issuer))
				return succeeded(member{"alipay_cert_content", content}), nil
			}
		}
	}
	return nil, &bank.Error{Code: "isv.alipay-cert-not-exist", Text: "支付宝公钥证书不存在"}
}

// certificateRoutes serve the three files that a merchant configures.
func (s *Sandbox) certificateRoutes(mux *http.ServeMux) {
	for path, file := range map[string]func(*Certificates) []byte{
		"/appCertPublicKey.crt":         (*Certificates).AppPEM,
		"/alipayCertPublicKey_RSA2.crt": (*Certificates).AlipayPEM,
		"/alipayRootCert.crt":           (*Certificates).RootPEM,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if s.cfg.Certificates == nil {
				http.Error(w, fmt.Sprintf("no %s: this gateway is in public key mode", path), http.StatusNotFound)
				return
			}
			w.Header().Set("Content-Type", "application/x-pem-file")
			_, _ = w.Write(file(s.cfg.Certificates)) // a client that went away needs no answer
		})
	}
}
