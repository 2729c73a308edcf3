// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package trade

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Offer is what the shop asks for one order: its answer to the look-up, or the
// claims of a signed order. Names, lengths and formats are those of
// alipay.trade.page.pay; Alipay shows mistakes in them to the buyer alone, so
// ParseOffer checks what can be checked.
type Offer struct {
	OutTradeNo     string
	Total          Amount
	Subject        string // as Alipay takes it: / = & in their full-width forms
	Body           string
	TimeExpire     string // "2006-01-02 15:04:05" in Alipay's zone, as the shop gave it
	TimeoutExpress string // such as "90m", as the shop gave it
	PassbackParams string
	SellerID       string
	Account        string // the name of one of the operator's accounts; "" is the site's
	// Others are further members of biz_content, as the shop gave them.
	Others map[string]json.RawMessage
}

// Zone is the zone of every time that Alipay writes or reads without one.
var Zone = time.FixedZone("CST", 8*3600)

// TimeLayout is how Alipay writes a time.
const TimeLayout = "2006-01-02 15:04:05"

// ErrOffer is wrapped by every error of ParseOffer.
var ErrOffer = errors.New("not an order that Alipay would take")

// otherFields are the members of biz_content that are passed on beside those
// with a field of their own. Others that a shop's JSON may hold are its own
// business and stay behind.
var otherFields = map[string]bool{
	"goods_detail": true, "goods_type": true, "promo_params": true, "extend_params": true, "business_params": true,
	"royalty_info": true, "settle_info": true, "sub_merchant": true, "enable_pay_channels": true,
	"disable_pay_channels": true, "specified_channel": true, "store_id": true, "merchant_order_no": true,
	"ext_user_info": true, "invoice_info": true, "agreement_sign_params": true, "qr_pay_mode": true,
	"qrcode_width": true, "integration_type": true, "request_from_url": true, "quit_url": true,
}

// ParseOffer reads the shop's JSON for the order outTradeNo.
func ParseOffer(data []byte, outTradeNo string) (Offer, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return Offer{}, fmt.Errorf("%w: the answer is no JSON object", ErrOffer)
	}
	return OfferFromFields(fields, outTradeNo)
}

// OfferFromFields is ParseOffer for members that have been taken apart already.
func OfferFromFields(fields map[string]json.RawMessage, outTradeNo string) (Offer, error) {
	o := Offer{}
	texts := []struct {
		name string
		into *string
		most int // characters
	}{
		{"out_trade_no", &o.OutTradeNo, 64},
		{"subject", &o.Subject, 256},
		{"body", &o.Body, 400},
		{"time_expire", &o.TimeExpire, 19},
		{"timeout_express", &o.TimeoutExpress, 6},
		{"passback_params", &o.PassbackParams, 512},
		{"seller_id", &o.SellerID, 28},
		{"account", &o.Account, 64},
	}
	for _, f := range texts {
		if err := text(fields, f.name, f.into, f.most); err != nil {
			return Offer{}, err
		}
	}
	if o.OutTradeNo != outTradeNo {
		return Offer{}, fmt.Errorf("%w: out_trade_no is %q, asked for was %q", ErrOffer, o.OutTradeNo, outTradeNo)
	}
	var err error
	if o.Total, err = totalAmount(fields["total_amount"]); err != nil {
		return Offer{}, err
	}
	if err := o.check(); err != nil {
		return Offer{}, err
	}
	o.Subject = subjectForms.Replace(o.Subject)
	for name, raw := range fields {
		if otherFields[name] && string(raw) != "null" {
			if o.Others == nil {
				o.Others = make(map[string]json.RawMessage)
			}
			o.Others[name] = raw
		}
	}
	return o, nil
}

// subjectForms replaces what page.pay bans in subject ("不可使用特殊字符，如 /，=，& 等").
var subjectForms = strings.NewReplacer("/", "／", "=", "＝", "&", "＆")

func (o *Offer) check() error {
	if strings.TrimSpace(o.Subject) == "" {
		return fmt.Errorf("%w: subject is empty", ErrOffer)
	}
	if o.TimeExpire != "" {
		if _, err := time.ParseInLocation(TimeLayout, o.TimeExpire, Zone); err != nil {
			return fmt.Errorf("%w: time_expire %q is not of the form %q", ErrOffer, o.TimeExpire, TimeLayout)
		}
	}
	if o.TimeoutExpress != "" {
		if _, err := ParseTimeout(o.TimeoutExpress); err != nil {
			return err
		}
	}
	return nil
}

func text(fields map[string]json.RawMessage, name string, into *string, most int) error {
	raw, ok := fields[name]
	if !ok || string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%w: %s is not a string", ErrOffer, name)
	}
	if n := utf8.RuneCountInString(*into); n > most {
		return fmt.Errorf("%w: %s has %d characters, at most %d are allowed", ErrOffer, name, n, most)
	}
	if strings.ContainsFunc(*into, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }) {
		return fmt.Errorf("%w: %s holds control characters or broken UTF-8", ErrOffer, name)
	}
	return nil
}

// totalAmount reads a JSON string or, digit by digit and so without any
// rounding, a JSON number.
func totalAmount(raw json.RawMessage) (Amount, error) {
	s := string(raw)
	if strings.HasPrefix(s, "\"") {
		if err := json.Unmarshal(raw, &s); err != nil {
			return 0, fmt.Errorf("%w: total_amount is not a string", ErrOffer)
		}
	}
	a, err := ParseAmount(s)
	if err != nil {
		return 0, fmt.Errorf("%w: total_amount: %w", ErrOffer, err)
	}
	return a, nil
}

// maxTimeout is the longest life that Alipay gives an order (15 days).
const maxTimeout = 15 * 24 * time.Hour

// ParseTimeout reads Alipay's timeout_express: whole minutes, hours or days
// ("90m", "2h", "1d") from one minute to 15 days. "1c" means the end of the day
// and returns 0.
func ParseTimeout(s string) (time.Duration, error) {
	bad := fmt.Errorf("%w: timeout_express %q is not whole m, h or d from 1m to 15d, nor 1c", ErrOffer, s)
	if s == "1c" {
		return 0, nil
	}
	if len(s) < 2 || len(s) > 6 {
		return 0, bad
	}
	var n time.Duration
	for _, c := range s[:len(s)-1] {
		if c < '0' || c > '9' {
			return 0, bad
		}
		n = n*10 + time.Duration(c-'0')
	}
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	d := n * units[s[len(s)-1]]
	if d < time.Minute || d > maxTimeout {
		return 0, bad
	}
	return d, nil
}

// Expiry is when the cashier stops taking this order's money, for the ledger's
// own bookkeeping: now is when the buyer is sent there, and fallback the life of
// an order whose shop sets none.
func (o *Offer) Expiry(now time.Time, fallback time.Duration) time.Time {
	now = now.In(Zone)
	switch {
	case o.TimeExpire != "":
		t, _ := time.ParseInLocation(TimeLayout, o.TimeExpire, Zone) // ParseOffer has checked it
		return t
	case o.TimeoutExpress == "1c":
		y, m, d := now.Date()
		return time.Date(y, m, d+1, 0, 0, 0, 0, Zone)
	case o.TimeoutExpress != "":
		d, _ := ParseTimeout(o.TimeoutExpress)
		return now.Add(d)
	}
	return now.Add(fallback)
}

// ValidOutTradeNo reports whether s may be an order number: 1 to 64 letters,
// digits, underscores or hyphens (Alipay's document names no hyphen, its
// production takes it).
func ValidOutTradeNo(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
