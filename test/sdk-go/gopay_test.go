// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sdkgo

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-pay/gopay"
	"github.com/go-pay/gopay/alipay"
)

// rerouted sends every request to the gateway under test: gopay has Alipay's
// addresses built in.
type rerouted struct{ target *url.URL }

func (r rerouted) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host, request.Host = r.target.Scheme, r.target.Host, r.target.Host
	return http.DefaultTransport.RoundTrip(request)
}

func gopayClient(t *testing.T, g *gateway) *alipay.Client {
	t.Helper()
	client, err := alipay.NewClient(appID, g.private, false)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	client.GetHttpClient().SetTransport(rerouted{target})
	client.SetLocation(alipay.LocationShanghai)
	return client
}

func TestGopayWithPublicKey(t *testing.T) {
	g := start(t)
	client := gopayClient(t, g)
	purchaseWithGopay(t, g, client, func(message gopay.BodyMap) (bool, error) {
		return alipay.VerifySign(g.public, message)
	}, func(data, sign string) (bool, error) {
		return alipay.VerifySyncSign(g.public, data, sign)
	})
}

func TestGopayWithCertificates(t *testing.T) {
	g := start(t, "-cert-mode")
	client := gopayClient(t, g)
	cert := g.file("alipayCertPublicKey_RSA2.crt")
	if err := client.SetCertSnByContent(g.file("appCertPublicKey.crt"), g.file("alipayRootCert.crt"), cert); err != nil {
		t.Fatal(err)
	}
	client.AutoVerifySign(cert) // from here on every answer is checked by the SDK
	purchaseWithGopay(t, g, client, func(message gopay.BodyMap) (bool, error) {
		return alipay.VerifySignWithCert(cert, message)
	}, func(data, sign string) (bool, error) {
		return alipay.VerifySyncSignWithCert(cert, data, sign)
	})
}

type (
	checkMessage func(gopay.BodyMap) (bool, error)
	checkAnswer  func(data, sign string) (bool, error)
)

// verify checks a notice or a return with the SDK.
func verify(check checkMessage, message url.Values) error {
	fields, err := alipay.ParseNotifyByURLValues(message)
	if err != nil {
		return err
	}
	if ok, err := check(fields); !ok {
		return errors.Join(errors.New("not signed by the gateway"), err)
	}
	return nil
}

func purchaseWithGopay(t *testing.T, g *gateway, client *alipay.Client, message checkMessage, answer checkAnswer) {
	t.Helper()
	ctx := t.Context()
	shop := newShop(t, func(notice url.Values) error { return verify(message, notice) })
	client.SetNotifyUrl(shop.url + "/notify").SetReturnUrl(shop.url + "/return")
	address, err := client.TradePagePay(ctx, gopay.BodyMap{
		"out_trade_no": "GP1", "total_amount": "88.88", "subject": "明前龙井 50g", "product_code": "FAST_INSTANT_TRADE_PAY",
	})
	if err != nil {
		t.Fatal(err)
	}
	g.open(address)
	_, err = client.TradeQuery(ctx, gopay.BodyMap{"out_trade_no": "GP1"})
	refused(t, "before payment", err, "ACQ.TRADE_NOT_EXIST")

	paid := g.pay("GP1")
	shop.receive(map[string]string{"out_trade_no": "GP1", "total_amount": "88.88", "trade_status": "TRADE_SUCCESS"})
	equal(t, "subject", paid.Subject, "明前龙井 50g")
	back, err := url.Parse(paid.ReturnURL)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(message, back.Query()); err != nil {
		t.Errorf("the return: %v", err)
	}
	query, err := client.TradeQuery(ctx, gopay.BodyMap{"out_trade_no": "GP1"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "after payment: trade_status", query.Response.TradeStatus, "TRADE_SUCCESS")
	equal(t, "trade_no", query.Response.TradeNo, paid.TradeNo)
	if ok, err := answer(query.SignData, query.Sign); !ok {
		t.Errorf("the answer's signature: %v", err)
	}
	if ok, _ := answer(strings.Replace(query.SignData, "88.88", "88.89", 1), query.Sign); ok {
		t.Error("a changed answer is accepted")
	}

	refund, err := client.TradeRefund(ctx, gopay.BodyMap{"out_trade_no": "GP1", "refund_amount": "8.88", "out_request_no": "R1"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "fund_change", refund.Response.FundChange, "Y")
	shop.receive(map[string]string{"refund_fee": "8.88", "out_biz_no": "R1"})
	found, err := client.TradeFastPayRefundQuery(ctx, gopay.BodyMap{"out_trade_no": "GP1", "out_request_no": "R1"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "refund_status", found.Response.RefundStatus, "REFUND_SUCCESS")

	created, err := client.TradeCreate(ctx, gopay.BodyMap{
		"out_trade_no": "GP2", "total_amount": "1.00", "subject": "Tea", "buyer_id": "2088102146225101",
	})
	if err != nil {
		t.Fatal(err)
	}
	closed, err := client.TradeClose(ctx, gopay.BodyMap{"trade_no": created.Response.TradeNo})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "closed: out_trade_no", closed.Response.OutTradeNo, "GP2")
	_, err = client.TradeClose(ctx, gopay.BodyMap{"out_trade_no": "GP1"})
	refused(t, "closing what is paid", err, "ACQ.TRADE_STATUS_ERROR")
}

// refused wants a business error with a sub_code.
func refused(t *testing.T, what string, err error, subCode string) {
	t.Helper()
	known, ok := alipay.IsBizError(err)
	if !ok {
		t.Fatalf("%s: %v, not a business error", what, err)
	}
	equal(t, what+": sub_code", known.SubCode, subCode)
}
