// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

const (
	appID    = "2021000122671234"
	sellerID = "2088102146225135"
	price    = "88.88"
	fen      = 8888
)

// Files of the bench's folder.
const (
	appKeyFile    = "app_private_key.pem"
	alipayKeyFile = "alipay_private_key.pem"
	publicKeyFile = "alipay_public_key.pem"
	noticesFile   = "notices.txt"
)

// orderNumber is the number of order i: a day and random digits, as shops have
// them. It depends on i alone.
func orderNumber(i int) string {
	r := mathrand.New(mathrand.NewPCG(uint64(i), 2088))
	return fmt.Sprintf("20260314%012d", r.Uint64N(1e12))
}

// notice is the form of order i's payment, unsigned, with all that Alipay sends
// for a plain payment.
func notice(i int) url.Values {
	number := orderNumber(i)
	return url.Values{
		"gmt_create": {"2026-03-14 10:20:01"}, "charset": {"utf-8"}, "gmt_payment": {"2026-03-14 10:20:09"},
		"notify_time": {"2026-03-14 10:20:10"}, "subject": {"明前龙井 250g"}, "buyer_id": {"2088722003899169"},
		"buyer_logon_id": {"137****0000"}, "invoice_amount": {price}, "version": {"1.0"},
		"notify_id":      {fmt.Sprintf("2026031401222102010%015d", i)},
		"fund_bill_list": {`[{"amount":"` + price + `","fundChannel":"ALIPAYACCOUNT"}]`},
		"notify_type":    {"trade_status_sync"}, "out_trade_no": {number}, "total_amount": {price},
		"trade_status": {"TRADE_SUCCESS"}, "trade_no": {fmt.Sprintf("2026031422001%015d", i)}, "auth_app_id": {appID},
		"receipt_amount": {price}, "point_amount": {"0.00"}, "app_id": {appID}, "buyer_pay_amount": {price},
		"seller_id": {sellerID},
	}
}

// signed signs a notice as Alipay does.
func signed(key *rsa.PrivateKey, v url.Values) (string, error) {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	var text strings.Builder
	for i, name := range names {
		if i > 0 {
			text.WriteByte('&')
		}
		text.WriteString(name + "=" + v.Get(name))
	}
	sum := sha256.Sum256([]byte(text.String()))
	sign, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	v.Set("sign_type", "RSA2")
	v.Set("sign", base64.StdEncoding.EncodeToString(sign))
	return v.Encode(), nil
}

// prepare makes keys and the first n signed notices in dir, and keeps what is
// there: signing costs more than all that is measured.
func prepare(dir string, n int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := loadKey(dir, appKeyFile); err != nil {
		if err := makeKeys(dir); err != nil {
			return err
		}
	}
	have, err := loadNotices(dir, n)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err != nil || len(have) >= n {
		return err
	}
	key, err := loadKey(dir, alipayKeyFile)
	if err != nil {
		return err
	}
	progress("signing %d notices", n-len(have))
	bodies := make([]string, n-len(have))
	var wg sync.WaitGroup
	var failed error
	var once sync.Once
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(bodies); i += workers {
				var err error
				if bodies[i], err = signed(key, notice(len(have)+i)); err != nil {
					once.Do(func() { failed = err })
					return
				}
			}
		})
	}
	if wg.Wait(); failed != nil {
		return failed
	}
	all := append(have, bodies...)
	return os.WriteFile(filepath.Join(dir, noticesFile), []byte(strings.Join(all, "\n")+"\n"), 0o600)
}

// loadNotices reads at most n of the prepared notices, by order.
func loadNotices(dir string, n int) ([]string, error) {
	f, err := os.Open(filepath.Join(dir, noticesFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []string
	lines := bufio.NewScanner(f)
	for len(all) < n && lines.Scan() {
		all = append(all, lines.Text())
	}
	return all, lines.Err()
}

// forge gives a notice a signature that is well-formed and wrong.
func forge(body string, i int) (string, error) {
	v, err := url.ParseQuery(body)
	if err != nil {
		return "", err
	}
	sign := make([]byte, 256)
	r := mathrand.New(mathrand.NewPCG(uint64(i), 0))
	for j := 1; j < len(sign); j++ { // the first byte stays 0: below any modulus, so that all of RSA is computed
		sign[j] = byte(r.Uint32())
	}
	v.Set("sign", base64.StdEncoding.EncodeToString(sign))
	return v.Encode(), nil
}

func makeKeys(dir string) error {
	if err := os.Remove(filepath.Join(dir, noticesFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, name := range []string{alipayKeyFile, appKeyFile} { // the app's last: it tells that all is there
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		if name == alipayKeyFile {
			public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
			if err != nil {
				return err
			}
			if err := writePEM(filepath.Join(dir, publicKeyFile), "PUBLIC KEY", public); err != nil {
				return err
			}
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		if err := writePEM(filepath.Join(dir, name), "PRIVATE KEY", private); err != nil {
			return err
		}
	}
	return nil
}

func writePEM(path, label string, der []byte) error {
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: label, Bytes: der}); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

func loadKey(dir, name string) (*rsa.PrivateKey, error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block; remove it and run again", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is no RSA key; remove it and run again", name)
	}
	return private, nil
}
