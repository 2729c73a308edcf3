// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"strings"
)

// Outcomes of a call that callers tell apart.
var (
	// ErrTradeNotExist: Alipay knows no such trade. The buyer has not come as far
	// as its cashier yet; it is neither a failure nor the end of the order.
	ErrTradeNotExist = errors.New("no such trade is known to Alipay yet")

	// ErrUnknown: whether the call did anything is not known (time-out, an answer
	// that cannot be believed, Alipay's own 20000). Ask again later.
	ErrUnknown = errors.New("the result at Alipay is not known")

	// ErrForeign is wrapped beside ErrUnknown if an answer came that is signed, but
	// not by the configured key of Alipay.
	ErrForeign = errors.New("the answer is not signed by the configured key of Alipay")
)

// GatewayError is an error that the gateway answered. Code and SubCode are of
// the document on common codes (02km9f); prefixes of SubCode vary, even for one
// error, so compare with Is.
type GatewayError struct {
	Code    string // such as 40004
	Msg     string
	SubCode string // such as ACQ.TRADE_NOT_EXIST
	SubMsg  string
	// Signed: Alipay's signature was on it. Errors that the gateway gives before
	// it knows the app are unsigned and rest on TLS alone.
	Signed bool
	// Hint is what an operator can do about it, "" if nothing is known.
	Hint string
}

func (e *GatewayError) Error() string {
	text := "the gateway of Alipay answered " + e.Code
	if e.SubCode != "" {
		text += " " + e.SubCode
	}
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// Is makes errors.Is find ErrTradeNotExist and ErrUnknown.
func (e *GatewayError) Is(target error) bool {
	switch target {
	case ErrTradeNotExist:
		return e.sub("TRADE_NOT_EXIST")
	case ErrUnknown:
		return e.Code == "20000" || e.sub("SYSTEM_ERROR") || e.sub("unknow-error")
	}
	return false
}

// sub compares SubCode without its prefix (ACQ., isv., isp., aop.).
func (e *GatewayError) sub(name string) bool {
	return e.SubCode == name || strings.HasSuffix(e.SubCode, "."+name)
}

// maxWord bounds what is kept of a text of the gateway's, in bytes.
const maxWord = 256

func gatewayError(a answer) *GatewayError {
	e := &GatewayError{
		Code: word(a.fields.text("code")), Msg: word(a.fields.text("msg")),
		SubCode: word(a.fields.text("sub_code")), SubMsg: word(a.fields.text("sub_msg")),
		Signed: a.signed,
	}
	e.Hint = hints[e.name()]
	return e
}

// name is SubCode without its prefix.
func (e *GatewayError) name() string { return e.SubCode[strings.LastIndexByte(e.SubCode, '.')+1:] }

// word makes a text of the gateway's safe for a log: bounded, without control
// characters.
func word(s string) string {
	if len(s) > maxWord {
		s = s[:maxWord]
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s), "")
}

// hints are cures for what is wrong with the configuration, by SubCode without
// its prefix.
var hints = map[string]string{
	"invalid-app-id":               "app_id is not known there: is gateway the one (production or sandbox) that the app belongs to?",
	"invalid-signature":            "app_private_key is not the other half of the public key uploaded for the app",
	"missing-signature-config":     "no public key has been uploaded for the app",
	"missing-app-cert-sn":          "the app is in certificate mode: give app_cert, alipay_cert and alipay_root_cert",
	"missing-alipay-root-cert-sn":  "the app is in certificate mode: give app_cert, alipay_cert and alipay_root_cert",
	"invalid-alipay-root-cert-sn":  "alipay_root_cert is not the one that Alipay's console hands out",
	"app-cert-expired":             "the app's certificate has expired: renew it in Alipay's console",
	"app-cert-not-exist":           "app_cert is not the one in Alipay's console",
	"alipay-cert-not-exist":        "alipay_cert is not the one in Alipay's console",
	"not-online-app":               "the app has not been put online in Alipay's console",
	"insufficient-isv-permissions": "the product is not among those that the app has signed for",
	"invalid-timestamp":            "the server's clock is wrong",
	"app-call-limited":             "too many calls: slow down",
	"method-call-limited":          "too many calls: slow down",
}
