// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sdkgo

import (
	"net/url"
	"testing"
	"time"

	"github.com/smartwalle/alipay/v3"
)

// smartwalle makes a client of a gateway, in the mode of its keys.
func smartwalle(t *testing.T, g *gateway, certMode bool) *alipay.Client {
	t.Helper()
	client, err := alipay.New(appID, g.private, false, alipay.WithSandboxGateway(g.url+"/gateway.do"),
		alipay.WithTimeLocation(time.FixedZone("CST", 8*3600)))
	if err != nil {
		t.Fatal(err)
	}
	if !certMode {
		if err := client.LoadAliPayPublicKey(g.public); err != nil {
			t.Fatal(err)
		}
		return client
	}
	for name, load := range map[string]func(string) error{
		"appCertPublicKey.crt":         client.LoadAppCertPublicKey,
		"alipayCertPublicKey_RSA2.crt": client.LoadAlipayCertPublicKey,
		"alipayRootCert.crt":           client.LoadAliPayRootCert,
	} {
		if err := load(string(g.file(name))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return client
}

func TestSmartwalle(t *testing.T) {
	for name, test := range map[string]struct {
		flags []string
		cert  bool
		aes   bool
	}{
		"public key":  {nil, false, false},
		"certificate": {[]string{"-cert-mode"}, true, false},
		"AES":         {[]string{"-content-key", contentKey}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, test.flags...)
			client := smartwalle(t, g, test.cert)
			if test.aes {
				if err := client.SetEncryptKey(contentKey); err != nil {
					t.Fatal(err)
				}
			}
			purchaseWithSmartwalle(t, g, client)
		})
	}
}

func purchaseWithSmartwalle(t *testing.T, g *gateway, client *alipay.Client) {
	t.Helper()
	ctx := t.Context()
	shop := newShop(t, func(notice url.Values) error {
		_, err := client.DecodeNotification(ctx, notice)
		return err
	})
	ask := alipay.TradePagePay{Trade: alipay.Trade{
		Subject: "明前龙井 50g", OutTradeNo: "SW1", TotalAmount: "88.88", ProductCode: "FAST_INSTANT_TRADE_PAY",
		NotifyURL: shop.url + "/notify", ReturnURL: shop.url + "/return",
	}}
	address, err := client.TradePagePay(ask)
	if err != nil {
		t.Fatal(err)
	}
	g.open(address.String())
	query, err := client.TradeQuery(ctx, alipay.TradeQuery{OutTradeNo: "SW1"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "before payment: sub_code", query.SubCode, "ACQ.TRADE_NOT_EXIST")

	paid := g.pay("SW1")
	shop.receive(map[string]string{"out_trade_no": "SW1", "total_amount": "88.88", "trade_status": "TRADE_SUCCESS"})
	equal(t, "subject", paid.Subject, "明前龙井 50g")
	back, err := url.Parse(paid.ReturnURL)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.VerifySign(ctx, back.Query()); err != nil {
		t.Errorf("the return: %v", err)
	}
	if query, err = client.TradeQuery(ctx, alipay.TradeQuery{OutTradeNo: "SW1"}); err != nil {
		t.Fatal(err)
	}
	equal(t, "after payment: trade_status", string(query.TradeStatus), "TRADE_SUCCESS")
	equal(t, "trade_no", query.TradeNo, paid.TradeNo)

	refund, err := client.TradeRefund(ctx, alipay.TradeRefund{OutTradeNo: "SW1", RefundAmount: "8.88", OutRequestNo: "R1"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "fund_change", refund.FundChange, "Y")
	shop.receive(map[string]string{"refund_fee": "8.88", "out_biz_no": "R1"})
	found, err := client.TradeFastPayRefundQuery(ctx, alipay.TradeFastPayRefundQuery{OutTradeNo: "SW1", OutRequestNo: "R1"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "refund_status", found.RefundStatus, "REFUND_SUCCESS")

	if _, err := client.TradePreCreate(ctx, alipay.TradePreCreate{Trade: alipay.Trade{
		Subject: "Tea", OutTradeNo: "SW2", TotalAmount: "1.00",
	}}); err != nil {
		t.Fatal(err)
	}
	closed, err := client.TradeClose(ctx, alipay.TradeClose{OutTradeNo: "SW2"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "closing what nobody has scanned: sub_code", closed.SubCode, "ACQ.TRADE_NOT_EXIST")
	if closed, err = client.TradeClose(ctx, alipay.TradeClose{OutTradeNo: "SW1"}); err != nil {
		t.Fatal(err)
	}
	equal(t, "closing what is paid: sub_code", closed.SubCode, "ACQ.TRADE_STATUS_ERROR")
}
