// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto/rsa"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

// foreignCertSN is a certificate number that belongs to no certificate.
const foreignCertSN = "00000000000000000000000000c0ffee"

// skew is how far ahead notify_clock_skew sets the gateway's clock.
const skew = 9 * time.Hour

// dispatch sends a notice, or lets a fault of time have its way with it.
func (s *Sandbox) dispatch(n *notice) {
	strikes := func(name string) (Fault, bool) { return s.strikes(name, n.order.outTradeNo, "") }
	if _, ok := strikes("notify_never"); ok {
		n.state = stateWithheld
		return
	}
	if _, ok := strikes("notify_out_of_order"); ok && len(n.order.withheld) == 0 {
		n.state = stateWithheld
		n.order.withheld = append(n.order.withheld, n)
		return
	}
	if fault, ok := strikes("notify_late"); ok {
		s.later(n, fault.Delay.or(30*time.Second))
		return
	}
	if _, ok := strikes("notify_twice"); ok {
		s.send(n)
	}
	s.send(n)
	for _, overtaken := range n.order.withheld {
		overtaken.state = statePending
		s.later(overtaken, time.Minute)
	}
	n.order.withheld = nil
}

// draft is the body of one attempt while faults work on it.
type draft struct {
	target  string
	charset string
	key     *rsa.PrivateKey
	trade   *bank.Trade
	params  wire.Params                // before signing, UTF-8
	after   []func(body string) string // on the signed, encoded body
}

func (d *draft) set(key, value string) { d.params = d.params.Set(key, value) }

// noticeFaults work on a draft, in this order.
var noticeFaults = []struct {
	name  string
	apply func(*Sandbox, *draft)
}{
	{"notify_is_return", func(s *Sandbox, d *draft) { d.params = s.returnParams(d.trade, pagePay, d.charset) }},
	{"notify_gbk", func(_ *Sandbox, d *draft) { d.charset = wire.GBK; d.set("charset", wire.GBK) }},
	{"notify_wrong_amount", func(_ *Sandbox, d *draft) { d.set("total_amount", (d.trade.Total + 1).String()) }},
	{"notify_wrong_seller", func(_ *Sandbox, d *draft) { d.set("seller_id", "2088000000000000") }},
	{"notify_wrong_app", func(_ *Sandbox, d *draft) { d.set("app_id", "2021000000000000") }},
	{"notify_cert_sn", func(_ *Sandbox, d *draft) { d.set("alipay_cert_sn", foreignCertSN) }},
	{"notify_empty_values", func(_ *Sandbox, d *draft) {
		d.set("discount_goods_detail", "")
		d.set("voucher_detail_list", "")
		d.set("point_amount", "")
	}},
	{"notify_unknown_field", func(_ *Sandbox, d *draft) { d.set("quantum_pay_info", "entangled") }},
	{"notify_huge", func(_ *Sandbox, d *draft) { d.set("extend_params", strings.Repeat("x", 1<<20)) }},
	{"notify_clock_skew", func(_ *Sandbox, d *draft) { d.shift("notify_time"); d.shift("gmt_payment") }},
	{"notify_key_rolled", func(s *Sandbox, d *draft) { d.key = s.nextKey() }},
	{"notify_query_in_body", (*Sandbox).moveQuery},
	{"notify_doubled_key", func(_ *Sandbox, d *draft) {
		d.after = append(d.after, func(body string) string { return body + "&total_amount=0.01" })
	}},
	{"notify_resplit", func(_ *Sandbox, d *draft) { d.after = append(d.after, resplit) }},
	{"notify_wrong_signature", func(s *Sandbox, d *draft) {
		d.after = append(d.after, func(body string) string {
			before, _, _ := strings.Cut(body, "&sign=")
			return before + "&sign=" + url.QueryEscape(s.alienSignature())
		})
	}},
}

// shift moves a time among the fields ahead.
func (d *draft) shift(key string) {
	if at, err := time.ParseInLocation(timeLayout, d.params.Get(key), zone); err == nil {
		d.set(key, alipayTime(at.Add(skew)))
	}
}

// moveQuery posts to the path alone and puts the query's parameters into the
// body, unsigned.
func (s *Sandbox) moveQuery(d *draft) {
	path, query, found := strings.Cut(d.target, "?")
	if !found {
		return
	}
	d.target = path
	d.after = append(d.after, func(body string) string { return query + "&" + body })
}

// resplit moves total_amount into the value of subject, its neighbour in the
// signed string: the string, and so the signature, stays the same.
func resplit(body string) string {
	before, rest, found := strings.Cut(body, "&total_amount=")
	if !found {
		return body
	}
	amount, after, _ := strings.Cut(rest, "&")
	head, tail, found := strings.Cut(before+"&"+after, "&subject=")
	if !found {
		return body
	}
	subject, tail, _ := strings.Cut(tail, "&")
	return head + "&subject=" + subject + url.QueryEscape("&total_amount=") + amount + "&" + tail
}

// alienSignature is a true signature of this gateway, over something else.
func (s *Sandbox) alienSignature() string {
	signature, err := wire.Sign(s.cfg.AlipayKey, []byte("another text"))
	if err != nil {
		return ""
	}
	return signature
}

// nextKey is the key that notify_key_rolled signs with, made on first use. It
// runs under s.mu.
func (s *Sandbox) nextKey() *rsa.PrivateKey {
	if s.rolled == nil {
		key, err := wire.NewKey()
		if err != nil {
			return s.cfg.AlipayKey
		}
		s.rolled = key
	}
	return s.rolled
}

// serveNextKey shows the key's public half to a merchant who takes two keys while
// the gateway changes from one to the other.
func (s *Sandbox) serveNextKey(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	key := s.nextKey()
	s.mu.Unlock()
	text, err := wire.PublicPEM(&key.PublicKey)
	if err != nil {
		http.Error(w, "the key cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(text) // a client that went away needs no answer
}

// render builds and signs the body of one attempt. notify_time and with it the
// signature belong to the attempt, the id to the notice. It runs under s.mu.
func (s *Sandbox) render(n *notice, now time.Time) (target, body string, err error) {
	d := &draft{target: n.url, charset: n.charset, key: s.cfg.AlipayKey, trade: n.trade}
	d.params = append(wire.Params(nil), n.content...)
	d.set("notify_time", alipayTime(now))
	d.set("charset", n.charset)
	for _, fault := range noticeFaults {
		if _, ok := s.strikes(fault.name, n.order.outTradeNo, ""); ok {
			fault.apply(s, d)
		}
	}
	signed, err := sign(d.key, d.params, d.charset)
	if err != nil {
		return "", "", err
	}
	body = signed.Encode()
	for _, change := range d.after {
		body = change(body)
	}
	return d.target, body, nil
}
