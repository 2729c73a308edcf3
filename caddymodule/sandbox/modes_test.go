// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/sandboxtest"
)

func certMode(t *testing.T) (*sandboxtest.Gateway, *sandbox.Certificates) {
	t.Helper()
	app, err := wire.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	alipay, err := wire.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	set, err := sandbox.NewCertificates(&app.PublicKey, &alipay.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return sandboxtest.New(t, sandboxtest.Options{
		AppKey: app, Config: sandbox.Config{AlipayKey: alipay, Certificates: set},
	}), set
}

func TestCertificateMode(t *testing.T) {
	g, set := certMode(t)
	call := func(extra map[string]string) sandboxtest.Answer {
		return g.Post(g.Form("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1"}, extra))
	}
	good := map[string]string{"app_cert_sn": set.AppSN(), "alipay_root_cert_sn": set.RootSN()}
	for name, test := range map[string]struct {
		extra map[string]string
		sub   string
	}{
		"good":         {good, "ACQ.TRADE_NOT_EXIST"},
		"none":         {nil, "isv.missing-app-cert-sn"},
		"no root":      {map[string]string{"app_cert_sn": set.AppSN()}, "isv.missing-alipay-root-cert-sn"},
		"another app":  {map[string]string{"app_cert_sn": "x", "alipay_root_cert_sn": set.RootSN()}, "isv.app-cert-not-exist"},
		"another root": {map[string]string{"app_cert_sn": set.AppSN(), "alipay_root_cert_sn": "x"}, "isv.invalid-alipay-root-cert-sn"},
	} {
		answer := call(test.extra)
		if answer.Text("sub_code") != test.sub {
			t.Errorf("%s: %s", name, answer.Raw)
		}
		if signed := answer.Sign != ""; signed != (answer.CertSN == set.AlipaySN()) {
			t.Errorf("%s: signed %t with certificate %q", name, signed, answer.CertSN)
		}
	}
	download := func(number string) sandboxtest.Answer {
		return g.Post(g.Form("alipay.open.app.alipaycert.download", sandboxtest.Biz{"alipay_cert_sn": number}, good))
	}
	content, err := base64.StdEncoding.DecodeString(download(set.AlipaySN()).Text("alipay_cert_content"))
	if err != nil {
		t.Fatal(err)
	}
	checkCert(t, content, set, set.AlipaySN())
	wants(t, download("none"), map[string]string{"sub_code": "isv.alipay-cert-not-exist"})

	if err := g.SetFaults(sandbox.Faults{Global: []sandbox.Fault{{Name: "cert_rolled"}}}); err != nil {
		t.Fatal(err)
	}
	rolled := call(good).CertSN
	if rolled == set.AlipaySN() || rolled == "" {
		t.Errorf("rolled to %q", rolled)
	}
	if content, err = base64.StdEncoding.DecodeString(download(rolled).Text("alipay_cert_content")); err != nil {
		t.Fatal(err)
	}
	checkCert(t, content, set, rolled)
}

// checkCert wants a leaf with a number under the set's RSA root.
func checkCert(t *testing.T, text []byte, set *sandbox.Certificates, number string) {
	t.Helper()
	certs, err := wire.ParseCerts(text)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	for _, root := range set.Roots {
		roots.AddCert(root)
	}
	if _, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Error(err)
	}
	if wire.CertSN(certs[0]) != number {
		t.Errorf("its number is %s, not %s", wire.CertSN(certs[0]), number)
	}
}

func TestCertificateFilesAreServed(t *testing.T) {
	g, set := certMode(t)
	for path, want := range map[string][]byte{
		"/appCertPublicKey.crt": set.AppPEM(), "/alipayCertPublicKey_RSA2.crt": set.AlipayPEM(), "/alipayRootCert.crt": set.RootPEM(),
	} {
		response, err := http.Get(g.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, response); got != string(want) {
			t.Errorf("%s: %s", path, got)
		}
	}
	if strings.Contains(set.RootSN(), "_") {
		t.Errorf("the EC root counts in %s", set.RootSN())
	}
}

func TestCertificateNumbersInKeyModeAreRefused(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	answer := g.Post(g.Form("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1"}, map[string]string{"app_cert_sn": "x"}))
	wants(t, answer, map[string]string{"sub_code": "isv.app-cert-not-exist"})
}

func TestGBKRequestGetsGBKAnswersAndNotices(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	m := newMerchant(t, says("success"))
	gbk := func(text string) string {
		encoded, err := simplifiedchinese.GBK.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	form := g.Form("alipay.trade.page.pay", sandboxtest.Biz{}, map[string]string{"charset": "GBK", "notify_url": m.URL})
	form.Set("biz_content", gbk(`{"out_trade_no":"A1","total_amount":"1.00","subject":"春茶","product_code":"FAST_INSTANT_TRADE_PAY"}`))
	page := g.Open(g.GatewayURL() + "?" + g.Sign(form).Encode())
	if !strings.Contains(page, "春茶") {
		t.Errorf("the cashier shows:\n%s", page)
	}
	if err := g.Pay("A1", 1); err != nil {
		t.Fatal(err)
	}
	g.Wait()
	notice := m.got()[0]
	if notice.Get("charset") != "GBK" || notice.Get("subject") != gbk("春茶") || g.VerifyForm(notice) != nil {
		t.Errorf("%q", notice)
	}
	form = g.Form("alipay.trade.refund", sandboxtest.Biz{"out_trade_no": "A1", "refund_amount": "2.00", "out_request_no": "r"}, map[string]string{"charset": "gbk"})
	response, err := http.PostForm(g.GatewayURL(), form)
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, response); !strings.Contains(body, gbk("退款金额超限")) || response.Header.Get("Content-Type") != "text/html;charset=GBK" {
		t.Errorf("%s: %q", response.Header.Get("Content-Type"), body)
	}
}

func TestMultipartRequest(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	form := g.Form("alipay.trade.query", sandboxtest.Biz{"out_trade_no": "A1"}, nil)
	var body bytes.Buffer
	writer := multipart.NewWriter(&body)
	for name := range form {
		if err := writer.WriteField(name, form.Get(name)); err != nil {
			t.Fatal(err)
		}
	}
	file, err := writer.CreateFormFile("image", "a.png") // files are not signed
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte("png")); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(g.GatewayURL(), writer.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	if text := readAll(t, response); !strings.Contains(text, "ACQ.TRADE_NOT_EXIST") {
		t.Error(text)
	}
}

func TestAESContent(t *testing.T) {
	key := []byte("0123456789abcdef")
	g := sandboxtest.New(t, sandboxtest.Options{Config: sandbox.Config{ContentKey: key}})
	g.Buy("A1", "1.00", "", "")
	form := g.Form("alipay.trade.query", sandboxtest.Biz{}, map[string]string{"encrypt_type": "AES"})
	content, err := wire.EncryptAES(key, []byte(`{"out_trade_no":"A1"}`))
	if err != nil {
		t.Fatal(err)
	}
	form.Set("biz_content", content)
	response, err := http.PostForm(g.GatewayURL(), g.Sign(form))
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(readAll(t, response)), &members); err != nil {
		t.Fatal(err)
	}
	var sign, encrypted string
	for name, into := range map[string]*string{"sign": &sign, "alipay_trade_query_response": &encrypted} {
		if err := json.Unmarshal(members[name], into); err != nil {
			t.Fatal(err)
		}
	}
	public, err := sandbox.ParsePublicKey(g.PublicKeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	if err := wire.Verify(public, members["alipay_trade_query_response"], sign); err != nil {
		t.Errorf("signed over the quoted ciphertext: %v", err)
	}
	plain, err := wire.DecryptAES(key, encrypted)
	if err != nil || !strings.Contains(string(plain), "TRADE_SUCCESS") {
		t.Errorf("%s, %v", plain, err)
	}
	form.Set("biz_content", "AAAA")
	wants(t, g.Post(g.Sign(form)), map[string]string{"sub_code": "isv.decryption-error-unknown"})

	without := sandboxtest.New(t, sandboxtest.Options{})
	form.Set("biz_content", content)
	wants(t, without.Post(without.Sign(form)), map[string]string{"sub_code": "isv.missing-encrypt-key"})
}

func TestOtherWaysToPay(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	order := func(number string, more sandboxtest.Biz) sandboxtest.Biz {
		biz := sandboxtest.Biz{"out_trade_no": number, "total_amount": "9.90", "subject": "s"}
		maps.Copy(biz, more)
		return biz
	}
	query := func(number string) sandboxtest.Answer {
		return g.Call("alipay.trade.query", sandboxtest.Biz{"out_trade_no": number})
	}

	code := g.Call("alipay.trade.precreate", order("qr", nil)).Text("qr_code")
	wants(t, query("qr"), map[string]string{"sub_code": "ACQ.TRADE_NOT_EXIST"})
	visit(t, g, code).press("login", url.Values{"buyer": {"1"}}).press("pay", url.Values{}).shows(`id="paid"`)
	wants(t, query("qr"), map[string]string{"trade_status": "TRADE_SUCCESS"})

	wants(t, g.Call("alipay.trade.create", order("made", nil)), map[string]string{"sub_code": "ACQ.INVALID_PARAMETER"})
	wants(t, g.Call("alipay.trade.create", order("made", sandboxtest.Biz{"buyer_id": "2088102146225101"})), map[string]string{"code": "10000"})
	wants(t, query("made"), map[string]string{"trade_status": "WAIT_BUYER_PAY"})
	g.Move(3 * time.Hour)
	wants(t, query("made"), map[string]string{"trade_status": "TRADE_CLOSED"})

	pay := func(number, auth string) sandboxtest.Answer {
		return g.Call("alipay.trade.pay", order(number, sandboxtest.Biz{"scene": "bar_code", "auth_code": auth}))
	}
	wants(t, pay("bar1", "281000000000000001"), map[string]string{"code": "10000", "receipt_amount": "9.90"})
	wants(t, pay("bar1", "281000000000000001"), map[string]string{"sub_code": "ACQ.TRADE_HAS_SUCCESS"})
	wants(t, pay("bar2", "281000000000000002"), map[string]string{"code": "10003"})
	wants(t, query("bar2"), map[string]string{"trade_status": "WAIT_BUYER_PAY"})
	wants(t, pay("bar3", "281000000000000003"), map[string]string{"sub_code": "ACQ.BUYER_BALANCE_NOT_ENOUGH"})
	wants(t, pay("bar4", "281000000000000099"), map[string]string{"sub_code": "ACQ.PAYMENT_AUTH_CODE_INVALID"})

	app := g.Form("alipay.trade.app.pay", order("app", sandboxtest.Biz{"product_code": "QUICK_MSECURITY_PAY"}), nil)
	visit(t, g, g.GatewayURL()+"?"+app.Encode()).shows(`id="buyer-1"`)
}

func TestBills(t *testing.T) {
	g := sandboxtest.New(t, sandboxtest.Options{})
	ask := func(kind, date string) sandboxtest.Answer {
		return g.Call("alipay.data.dataservice.bill.downloadurl.query", sandboxtest.Biz{"bill_type": kind, "bill_date": date})
	}
	g.Buy("A1", "100.00", "", "")
	wants(t, refund(g, "r1", "30.00"), map[string]string{"fund_change": "Y"})
	wants(t, ask("trade", "2026-03-01"), map[string]string{"sub_code": "isp.BILL_NOT_EXIST"})
	wants(t, ask("trade", "2026-02-27"), map[string]string{"sub_code": "isp.NO_BILL_DATA"})
	wants(t, ask("trade", "yesterday"), map[string]string{"sub_code": "isp.INVAILID_ARGUMENTS"})
	wants(t, ask("other", "2026-03-01"), map[string]string{"sub_code": "isp.TYPE_NOT_SUPPORTED"})
	g.Move(12 * time.Hour)
	for kind, want := range map[string][]string{
		"trade":        {"交易\t,Test order\t", "退款\t", "-30.00\t", "r1\t", "商家实收共100.00元", "#支付宝业务明细查询", "业务明细列表结束"},
		"signcustomer": {"在线支付\t", "交易退款\t", "-30.00\t", "账务明细列表结束"},
	} {
		texts := bills(t, ask(kind, "2026-03-01").Text("bill_download_url"))
		if len(texts) != 2 {
			t.Fatalf("%s: %d files", kind, len(texts))
		}
		for _, mark := range want {
			if !strings.Contains(texts[0], mark) {
				t.Errorf("%s: no %q in:\n%s", kind, mark, texts[0])
			}
		}
		if !strings.Contains(texts[1], "合计\t,\t,1\t,1\t,70.00\t") {
			t.Errorf("%s: summary:\n%s", kind, texts[1])
		}
	}
	address := ask("trade", "2026-03-01").Text("bill_download_url")
	g.Move(31 * time.Second)
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, response)
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("after 31 seconds: %d", response.StatusCode)
	}
}

// bills downloads an archive and decodes its files from GBK.
func bills(t *testing.T, address string) []string {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	body := readAll(t, response)
	reader, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, entry := range reader.File {
		if name, err := simplifiedchinese.GBK.NewDecoder().String(entry.Name); err != nil || !strings.Contains(name, "明细") || !entry.NonUTF8 {
			t.Errorf("name %q, %v", entry.Name, err)
		}
		file, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(simplifiedchinese.GBK.NewDecoder().Reader(file))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}
