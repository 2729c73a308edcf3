// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// wayBack is one message of the table of hostile returns: the target of a GET.
// reason is why it is refused; "" if it is believed, or refused by what the order
// is (misfit).
type wayBack struct {
	name   string
	make   func(v victim) string
	reason gateway.Reason
	misfit bool
}

// back is a return's query, signed by Alipay after the given changes.
func (v victim) back(change ...string) url.Values {
	return must(url.ParseQuery(v.w.returnQuery(v.no, "1.00", change...)))
}

// TestHostileReturns: a return that is not shown to be Alipay's way back of this
// very order is 400 with a text for a buyer who may have paid. Nothing of it
// reaches the shop, nobody is asked, and the ledger holds what it held.
func TestHostileReturns(t *testing.T) { overEach(t, hostileReturns) }

func hostileReturns(t *testing.T, kind func(*world)) {
	var calls *counted
	w := newWorld(t, shows, kind, func(w *world) { calls = w.countQueries() })
	verifier := must(gateway.NewVerifier(w.Gateway.AppID, gateway.AlipayKey{Public: &alipayKey().PublicKey}))
	for _, no := range []string{"VICTIM", "PAID"} {
		w.buy(no, "1.00")
	}
	w.wantNotify(w.notice("PAID", "1.00"), http.StatusOK, "success")
	victims := map[bool]victim{false: {w, "VICTIM"}, true: {w, "PAID"}} // by whether the row is believed
	rows := slices.Concat(returnFieldRows(w), returnRows(), returnTextRows())
	names, refused := map[string]bool{}, 0
	for _, r := range rows {
		if names[r.name] {
			t.Errorf("%s is there twice", r.name)
		}
		names[r.name] = true
		believed := r.reason == "" && !r.misfit
		query := r.make(victims[believed])
		w.Shop.forget()
		a := w.get("/pay/return?" + query)
		pages := w.Shop.matching(func(*received) bool { return true })
		switch {
		case believed && (a.Status != http.StatusOK || len(pages) != 1 || pages[0].Header.Get("X-Alipay-Trade-Status") != "TRADE_SUCCESS"):
			t.Errorf("%s: answered %d %q, %d requests reached the shop", r.name, a.Status, a.Body, len(pages))
		case !believed && (a.Status != http.StatusBadRequest || a.Body != notVerified || len(pages) != 0):
			t.Errorf("%s: answered %d %q, %d requests reached the shop", r.name, a.Status, a.Body, len(pages))
		}
		if !believed {
			refused++
		}
		if _, err := verifier.Return(query); r.reason != "" {
			if rej, ok := errors.AsType[*gateway.Rejection](err); !ok || rej.Reason != r.reason {
				t.Errorf("%s: %v, want the reason %s", r.name, err, r.reason)
			}
		} else if err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
	}
	o := must(w.openLedger().Order(t.Context(), trade.Key{AppID: w.Gateway.AppID, OutTradeNo: "VICTIM"}))
	if o.Paid || o.Waiting || o.Sequence != 0 || len(o.Attempts) != 1 || len(heldItems(t, w.openLedger())) != 0 {
		t.Errorf("the order is %+v", o)
	}
	if n := calls.queries.Load(); n != 0 {
		t.Errorf("Alipay was asked %d times", n)
	}
	t.Logf("%d hostile returns: %d refused without a trace, %d believed as they should be", len(rows), refused, len(rows)-refused)
}

// returnFieldRows are what can be done to each single parameter of a return.
func returnFieldRows(w *world) (rows []wayBack) {
	add := func(name string, reason gateway.Reason, change func(s url.Values) string) {
		rows = append(rows, wayBack{name: name, reason: reason, make: func(v victim) string { return change(v.back()) }})
	}
	for _, f := range slices.Sorted(keysOf(victim{w, "X"}.back())) {
		add(f+" dropped after signing", returnGone(f), func(s url.Values) string { return without(s, f).Encode() })
		add(f+" emptied after signing", returnGone(f), func(s url.Values) string { return with(s, f, "").Encode() })
		add(f+" changed after signing", returnOther(f), func(s url.Values) string { return with(s, f, changed(s.Get(f))).Encode() })
		add(f+" of 5 KB", returnLarge(f), func(s url.Values) string { return with(s, f, strings.Repeat("A", 5000)).Encode() })
		for how, key := range map[string]string{
			"": f, " in capitals": strings.ToUpper(f), " with an escape": fmt.Sprintf("%%%02x", f[0]) + f[1:], " as a list": f + "[]",
			" as an escaped list": f + "%5B%5D", " as a list's member": f + "[0]", " with a space in front": "+" + f, " with a NUL behind it": f + "%00x",
		} {
			add(f+" twice, the other"+how, gateway.ReasonDuplicateKey, func(s url.Values) string { return s.Encode() + "&" + key + "=" + escaped(changed(s.Get(f))) })
		}
		add(f+" twice, another in front", gateway.ReasonDuplicateKey, func(s url.Values) string { return f + "=" + escaped(changed(s.Get(f))) + "&" + s.Encode() })
		if strings.Contains(f, "_") {
			add(f+" twice, the other with points", gateway.ReasonDuplicateKey, func(s url.Values) string { return s.Encode() + "&" + strings.ReplaceAll(f, "_", ".") + "=1" })
			add(f+" twice, the other with spaces", gateway.ReasonDuplicateKey, func(s url.Values) string { return s.Encode() + "&" + strings.ReplaceAll(f, "_", "%20") + "=1" })
			add(f+" twice, the other with a bracket", gateway.ReasonDuplicateKey, func(s url.Values) string { return s.Encode() + "&" + strings.Replace(f, "_", "[", 1) + "=1" })
		}
		if f != "sign" && f != "sign_type" {
			rows = append(rows, wayBack{f + " left out by Alipay itself", func(v victim) string {
				return sign(alipayKey(), without(v.back(), f)).Encode()
			}, returnLeftOut(f), false})
		}
	}
	return rows
}

// returnOther is why a return is refused one of whose parameters is another one.
func returnOther(field string) gateway.Reason {
	if field == "method" {
		return gateway.ReasonMethod
	}
	return other(field)
}

func returnGone(field string) gateway.Reason {
	switch field {
	case "out_trade_no", "trade_no", "total_amount":
		return gateway.ReasonMissing
	case "method":
		return gateway.ReasonMethod
	}
	return gone(field)
}

func returnLarge(field string) gateway.Reason {
	switch field {
	case "total_amount":
		return gateway.ReasonAmount
	case "method":
		return gateway.ReasonMethod
	}
	return large(field)
}

// returnLeftOut is "" where Alipay need not send the parameter.
func returnLeftOut(field string) gateway.Reason {
	switch field {
	case "auth_app_id", "charset", "seller_id", "timestamp", "version":
		return ""
	}
	return returnGone(field)
}

// returnRows are signed by somebody else, or say what this order cannot take.
func returnRows() []wayBack {
	says := func(change ...string) func(v victim) string {
		return func(v victim) string { return v.back(change...).Encode() }
	}
	spelt := func(spell func(sign string) string) func(v victim) string {
		return func(v victim) string { s := v.back(); return with(s, "sign", spell(s.Get("sign"))).Encode() }
	}
	const misfit = true
	return []wayBack{
		{"a return as it should be", says(), "", false},
		{"a phone's return", says("method", "alipay.trade.wap.pay.return"), "", false},
		{"signed by the app", func(v victim) string { return sign(appKey(), v.back()).Encode() }, gateway.ReasonSignature, false},
		{"signed by anybody", func(v victim) string { return sign(newKey(), v.back()).Encode() }, gateway.ReasonSignature, false},
		{"a signature without its padding", spelt(func(s string) string { return strings.TrimRight(s, "=") }), gateway.ReasonSignFormat, false},
		{"a signature with a line break", spelt(func(s string) string { return s[:76] + "\n" + s[76:] }), gateway.ReasonSignFormat, false},
		{"a signature with bits to spare", spelt(func(s string) string { return s[:341] + next(s[341:342]) + s[342:] }), gateway.ReasonSignFormat, false},
		{"another return's signature", func(v victim) string {
			return with(v.back(), "sign", v.back("total_amount", "2.00").Get("sign")).Encode()
		}, gateway.ReasonSignature, false},
		{"a notice", func(v victim) string { return v.values().Encode() }, gateway.ReasonMethod, false},
		{"a notice with a return's method", func(v victim) string { return v.values().Encode() + "&method=alipay.trade.page.pay.return" }, gateway.ReasonSignature, false},
		{"a request's method", says("method", "alipay.trade.page.pay"), gateway.ReasonMethod, false},
		{"a refund's method", says("method", "alipay.trade.refund.return"), gateway.ReasonMethod, false},
		{"a method with a space", says("method", "alipay.trade.page.pay.return "), gateway.ReasonMethod, false},
		{"another app's return", says("app_id", "2021000000000002"), gateway.ReasonAppID, false},
		{"sign_type RSA", func(v victim) string { return with(v.back(), "sign_type", "RSA").Encode() }, gateway.ReasonSignType, false},
		{"an amount with an exponent", says("total_amount", "1e0"), gateway.ReasonAmount, false},
		{"an amount below nothing", says("total_amount", "-1.00"), gateway.ReasonAmount, false},
		{"an amount of nothing", says("total_amount", "0.00"), gateway.ReasonAmount, false},
		{"an amount with three decimals", says("total_amount", "1.000"), gateway.ReasonAmount, false},
		{"one fen more", says("total_amount", "1.01"), "", misfit},
		{"one fen less", says("total_amount", "0.99"), "", misfit},
		{"another seller", says("seller_id", "2088000000000000"), "", misfit},
		{"an order that was never sent to the cashier", says("out_trade_no", "NOBODY"), "", misfit},
		{"an order number with a path", says("out_trade_no", "../VICTIM"), "", misfit},
		{"an order number with line breaks", says("out_trade_no", "VICTIM\r\nX: y"), "", misfit},
		{"an order number of 5 KB", says("out_trade_no", strings.Repeat("N", 5000)), "", misfit},
		{"an order number in lower case", says("out_trade_no", "victim"), "", misfit},
		{"another trade, though it is paid", func(v victim) string { return victim{v.w, "PAID"}.back("trade_no", "TOTHER").Encode() }, "", misfit},
		{"an order number in GBK, and UTF-8 is said", says("out_trade_no", gbk("订单")), gateway.ReasonEncoding, false},
		{"a seller in GBK, and UTF-8 is said", says("seller_id", gbk("卖家")), gateway.ReasonEncoding, false},
		{"GBK as said", says("charset", "GBK"), "", false},
		{"charset big5", says("charset", "big5"), gateway.ReasonCharset, false},
		{"charset utf-16", says("charset", "utf-16"), gateway.ReasonCharset, false},
	}
}

// cutInSign cuts a query in the middle of its signature, and of no escape.
func cutInSign(query string) string {
	query = query[:strings.Index(query, "&sign=")+100]
	for strings.Contains(query[len(query)-2:], "%") {
		query = query[:len(query)-1]
	}
	return query
}

// returnTextRows are written wrongly, or carry more than Alipay's parameters.
func returnTextRows() []wayBack {
	spelt := func(spell func(query string) string) func(v victim) string {
		return func(v victim) string { return spell(v.back().Encode()) }
	}
	rows := []wayBack{
		{"nothing", spelt(func(string) string { return "" }), gateway.ReasonSize, false},
		{"over 8 KiB", spelt(func(s string) string { return s + "&x=" + strings.Repeat("a", 8<<10) }), gateway.ReasonSize, false},
		{"300 parameters", spelt(func(s string) string { return s + strings.Repeat("&x=", 300) }), gateway.ReasonForm, false},
		{"cut off in its signature", spelt(cutInSign), gateway.ReasonMissing, false},
		{"values escaped twice", spelt(func(s string) string { return strings.ReplaceAll(s, "%", "%25") }), gateway.ReasonSignFormat, false},
		{"ampersands as HTML has them", spelt(func(s string) string { return strings.ReplaceAll(s, "&", "&amp;") }), gateway.ReasonForm, false},
		{"semicolons between", spelt(func(s string) string { return strings.ReplaceAll(s, "&", ";") }), gateway.ReasonForm, false},
		{"a semicolon behind it", spelt(func(s string) string { return s + ";out_trade_no=OTHER" }), gateway.ReasonForm, false},
		{"a key that is no escape", spelt(func(s string) string { return s + "&%zz=1" }), gateway.ReasonForm, false},
		{"half an escape in a value", spelt(func(s string) string { return strings.Replace(s, "version=1.0", "version=1.0%4", 1) }), gateway.ReasonForm, false},
		{"an & in a value", spelt(func(s string) string { return strings.Replace(s, "&trade_no=", "%26trade_no%3D", 1) }), gateway.ReasonForm, false},
		{"all of it in one value", spelt(func(s string) string { return "x=" + escaped(s) }), gateway.ReasonMethod, false},
		{"a shop's own parameters", spelt(func(s string) string { return "theme=dark&" + s + "&tab=1&tab=2&q=%zz" }), "", false},
		{"a state, made up", spelt(func(s string) string { return s + "&trade_status=TRADE_CLOSED&notify_type=trade_status_sync" }), "", false},
		{"headers as parameters", spelt(func(s string) string { return s + "&X-Alipay-Trade-Status=TRADE_CLOSED" }), "", false},
		{"spaces as %20", spelt(func(s string) string { return strings.ReplaceAll(s, "+", "%20") }), "", false},
	}
	for i, name := range []string{"app_id", "auth_app_id", "charset", "method"} {
		rows = append(rows, wayBack{"cut off behind " + name, spelt(func(s string) string { return strings.Join(pieces(s)[:i+1], "&") }),
			map[bool]gateway.Reason{true: gateway.ReasonMissing, false: gateway.ReasonMethod}[name == "method"], false})
	}
	return rows
}
