// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

// gatewayError is an answer of the gateway itself, before any business: it is
// not signed (Alipay document 02km9f).
type gatewayError struct {
	code, msg       string
	subCode, subMsg string
}

func (e *gatewayError) Error() string { return e.subCode + ": " + e.subMsg }

func missing(name string) *gatewayError {
	return &gatewayError{"40001", "Missing Required Arguments", "isv.missing-" + name, "缺少" + name + "参数"}
}

func invalid(name, text string) *gatewayError {
	return &gatewayError{"40002", "Invalid Arguments", "isv." + name, text}
}

// errorMembers is the response member of an error. extra follows the four
// fields every error has.
func errorMembers(err error, extra object) (members object, signed bool) {
	var refused *gatewayError
	var failed *bank.Error
	switch {
	case errors.As(err, &refused):
		return object{{"code", refused.code}, {"msg", refused.msg},
			{"sub_code", refused.subCode}, {"sub_msg", refused.subMsg}}, false
	case errors.As(err, &failed):
		return append(object{{"code", "40004"}, {"msg", "Business Failed"},
			{"sub_code", failed.Code}, {"sub_msg", failed.Text}}, extra...), true
	}
	return object{{"code", "20000"}, {"msg", "Service Currently Unavailable"},
		{"sub_code", "isp.unknow-error"}, {"sub_msg", "系统繁忙"}}, false
}

func succeeded(members ...member) object {
	return append(object{{"code", "10000"}, {"msg", "Success"}}, members...)
}

// responseName is the member that an answer's content stands in.
func responseName(method string) string {
	if method == "" {
		return "error_response"
	}
	return strings.ReplaceAll(method, ".", "_") + "_response"
}

// answer is one answer on its way out.
type answer struct {
	method  string
	charset string
	content []byte // the response member's value, in charset
	signed  bool
	certSN  string // of the key that signs, in certificate mode
}

// newAnswer encodes a response member.
func newAnswer(method, charset string, members object, signed bool) (answer, error) {
	content, err := plainJSON(members)
	if err != nil {
		return answer{}, err
	}
	encoded, err := wire.Encode(charset, string(content))
	if err != nil {
		return answer{}, err
	}
	return answer{method: method, charset: charset, content: []byte(encoded), signed: signed}, nil
}

// body writes the whole answer. The signature is over the bytes of the
// response member exactly as they stand in it.
func (s *Sandbox) body(a answer) ([]byte, error) {
	var text bytes.Buffer
	text.WriteString(`{"` + responseName(a.method) + `":`)
	text.Write(a.content)
	if a.signed {
		signature, err := wire.Sign(s.cfg.AlipayKey, a.content)
		if err != nil {
			return nil, err
		}
		if a.certSN != "" {
			text.WriteString(`,"alipay_cert_sn":"` + a.certSN + `"`)
		}
		text.WriteString(`,"sign":"` + signature + `"`)
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// sendAnswer writes an answer as the gateway does: always 200, JSON sent as
// text/html.
func (s *Sandbox) sendAnswer(w http.ResponseWriter, charset string, body []byte) {
	w.Header().Set("Content-Type", "text/html;charset="+charset)
	w.Header()["trace_id"] = []string{randomToken()} // SDKs log it under this spelling
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // a client that went away needs no answer
}
