// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// vector is one known answer: see README.md beside the files.
type vector struct {
	ID              string            `json:"id"`
	Kind            string            `json:"kind"`
	Raw             string            `json:"raw"`
	Params          map[string]string `json:"params"`
	PublicKeyPEM    string            `json:"public_key_pem"`
	CertificateFile string            `json:"certificate_file"`
	Rule            struct {
		Exclude   []string `json:"exclude"`
		DropEmpty bool     `json:"drop_empty"`
		Member    string   `json:"member"`
	} `json:"rule"`
	AES struct {
		Key string `json:"key_base64"`
	} `json:"aes"`
	Expect string `json:"expect"`

	dir string
}

// loadVectors reads the known answers of a kind. They are real messages signed
// by Alipay, kept beside the module; without them there is nothing to test.
func loadVectors(t *testing.T, kind string) []vector {
	t.Helper()
	dir := os.Getenv("ALIPAY_VECTORS")
	if dir == "" {
		dir = filepath.Join(moduleRoot(t), "..", "shared", "vectors")
	}
	var files []string
	for _, pattern := range []string{"K*.json", "synthetic/S*.json"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		if os.Getenv("CI") != "" {
			t.Fatalf("no vectors in %s", dir)
		}
		t.Skipf("no vectors in %s; ALIPAY_VECTORS names another folder", dir)
	}
	var list []vector
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v := vector{dir: dir}
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if v.Kind == kind {
			list = append(list, v)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no vector of kind %q in %s", kind, dir)
	}
	return list
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the package")
		}
		dir = parent
	}
}

func (v vector) certificates(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(v.dir, v.CertificateFile))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// key is the vector's key, read as an operator's file would be.
func (v vector) key(t *testing.T) AlipayKey {
	t.Helper()
	if v.PublicKeyPEM != "" {
		key, err := ParsePublicKey([]byte(v.PublicKeyPEM))
		if err != nil {
			t.Fatal(err)
		}
		return AlipayKey{Public: key}
	}
	certs, err := ParseCertificates(v.certificates(t))
	if err != nil {
		t.Fatal(err)
	}
	key, err := CertificateKey(certs)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (v vector) verifier(t *testing.T, appID string) *Verifier {
	t.Helper()
	verifier, err := NewVerifier(appID, v.key(t))
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

func TestVectorsNotify(t *testing.T) {
	now := time.Date(2025, 3, 15, 0, 0, 0, 0, time.UTC)
	for _, v := range loadVectors(t, "notify") {
		t.Run(v.ID, func(t *testing.T) {
			appID := v.Params["app_id"]
			if appID == "" {
				appID = "9021000199990001"
			}
			e, err := v.verifier(t, appID).Notify("application/x-www-form-urlencoded; charset=utf-8", []byte(v.Raw), now)
			if v.Expect == "invalid" {
				wantReason(t, err, ReasonDuplicateKey)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if e.OutTradeNo != v.Params["out_trade_no"] || e.TradeNo != v.Params["trade_no"] ||
				string(e.Status) != v.Params["trade_status"] || e.Total.String() != v.Params["total_amount"] ||
				e.BuyerID != v.Params["buyer_id"] || e.SellerID != v.Params["seller_id"] || e.AppID != appID {
				t.Errorf("evidence %+v does not say what the notice says", e)
			}
			if want := v.Params["gmt_refund"] != ""; want != (e.Refunded > 0) {
				t.Errorf("Refunded is %s", e.Refunded)
			}
		})
	}
}

func TestVectorsReturn(t *testing.T) {
	for _, v := range loadVectors(t, "return") {
		t.Run(v.ID, func(t *testing.T) {
			r, err := v.verifier(t, v.Params["app_id"]).Return(v.Raw + "&utm_source=mail")
			if err != nil {
				t.Fatal(err)
			}
			if r.OutTradeNo != v.Params["out_trade_no"] || r.Total.String() != v.Params["total_amount"] || r.At.IsZero() {
				t.Errorf("return %+v does not say what was signed", r)
			}
		})
	}
}

func TestVectorsResponse(t *testing.T) {
	for _, v := range loadVectors(t, "response") {
		t.Run(v.ID, func(t *testing.T) {
			method := strings.ReplaceAll(strings.TrimSuffix(v.Rule.Member, "_response"), "_", ".")
			a, err := v.verifier(t, "1").readAnswer(method, []byte(v.Raw))
			if ok := err == nil && a.signed; ok != (v.Expect == "valid") {
				t.Errorf("signed=%t, err=%v, want %s", a.signed, err, v.Expect)
			}
		})
	}
}

func TestVectorsCertSN(t *testing.T) {
	for _, v := range loadVectors(t, "cert_sn") {
		t.Run(v.ID, func(t *testing.T) {
			data := v.certificates(t)
			var got string
			if v.ID == "K10-root" {
				sn, err := RootCertSN(data)
				if err != nil {
					t.Fatal(err)
				}
				got = sn
			} else {
				certs, err := ParseCertificates(data)
				if err != nil {
					t.Fatal(err)
				}
				got = CertSN(certs[0])
			}
			if got != v.Expect {
				t.Errorf("got %s, want %s", got, v.Expect)
			}
		})
	}
}

// TestVectorsTampered changes each vector's parameters, one at a time.
func TestVectorsTampered(t *testing.T) {
	for _, v := range loadVectors(t, "notify") {
		if v.Expect != "valid" {
			continue
		}
		verifier := v.verifier(t, v.Params["app_id"])
		for piece := range strings.SplitSeq(v.Raw, "&") {
			key, _, _ := strings.Cut(piece, "=")
			unsigned := append([]string{"sign_type"}, v.Rule.Exclude...)
			if slices.Contains(unsigned, key) || v.Rule.DropEmpty && v.Params[key] == "" {
				continue
			}
			body := strings.Replace(v.Raw, piece, piece+"1", 1)
			if _, err := verifier.Notify(formType, []byte(body), time.Time{}); err == nil {
				t.Errorf("%s: %s changed, and it still verifies", v.ID, key)
			}
		}
	}
}
