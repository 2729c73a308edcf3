// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

// maxRequest bounds a request's body and its query, each in bytes.
const maxRequest = 1 << 20

// request is one call of the gateway after its form was read.
type request struct {
	params  wire.Params
	charset string
	method  string
	biz     biz
	// encrypted says that biz_content was, and so the answer will be.
	encrypted bool
	// base is where the gateway was reached: http://host:port.
	base string
	// outTradeNo is the order that the request turned out to be about.
	outTradeNo string
}

// text is a system parameter in UTF-8. Parameters are checked to decode before
// a method sees them.
func (r *request) text(name string) string {
	text, _ := wire.Decode(r.charset, r.params.Get(name))
	return text
}

// apiMethod answers one method with the response member's fields, under s.mu.
type apiMethod func(*Sandbox, *request) (object, error)

// apiMethods are the methods answered in JSON. Those answered with a page are
// in pageMethods.
var apiMethods = map[string]apiMethod{
	"alipay.trade.query":                             (*Sandbox).tradeQuery,
	"alipay.trade.close":                             (*Sandbox).tradeClose,
	"alipay.trade.cancel":                            (*Sandbox).tradeCancel,
	"alipay.trade.refund":                            (*Sandbox).tradeRefund,
	"alipay.trade.fastpay.refund.query":              (*Sandbox).refundQuery,
	"alipay.trade.precreate":                         (*Sandbox).tradePrecreate,
	"alipay.trade.create":                            (*Sandbox).tradeCreate,
	"alipay.trade.pay":                               (*Sandbox).tradePay,
	"alipay.data.dataservice.bill.downloadurl.query": (*Sandbox).billURL,
	"alipay.open.app.alipaycert.download":            (*Sandbox).certDownload,
}

// pageMethods are opened by the payer's browser, which sees their errors too.
var pageMethods = map[string]product{
	"alipay.trade.page.pay": pagePay,
	"alipay.trade.wap.pay":  wapPay,
	"alipay.trade.app.pay":  appPay,
}

func (s *Sandbox) serveGateway(w http.ResponseWriter, r *http.Request) {
	req := &request{charset: wire.UTF8, base: "http://" + r.Host}
	err := readRequest(w, r, req)
	if err == nil {
		err = s.check(req)
	}
	_, page := pageMethods[req.method]
	s.logRequest(req, err)
	if page {
		s.servePayPage(w, r, req, err)
		return
	}
	s.serveMethod(w, r, req, err)
}

func (s *Sandbox) logRequest(req *request, err error) {
	if err != nil {
		s.cfg.Logger.Warn("gateway request refused", "method", req.method, "error", err)
		return
	}
	s.cfg.Logger.Info("gateway request", "method", req.method)
}

// serveMethod answers a method in JSON. err is what the checks said.
func (s *Sandbox) serveMethod(w http.ResponseWriter, r *http.Request, req *request, err error) {
	var members object
	if err == nil {
		members, err = s.callMethod(req)
	}
	signed := true
	if err != nil {
		members, signed = errorMembers(err, members)
	}
	method := req.method
	if method != "" && apiMethods[method] == nil {
		method = ""
	}
	reply, err := newAnswer(method, req.charset, members, signed)
	if err != nil {
		s.cfg.Logger.Error("answer cannot be encoded", "method", req.method, "error", err)
		http.Error(w, "the answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	if req.encrypted && signed {
		if reply.content, err = s.encrypt(reply.content); err != nil {
			http.Error(w, "the answer cannot be encrypted", http.StatusInternalServerError)
			return
		}
	}
	s.deliver(w, r, req, reply)
}

// callMethod runs a method, unless a fault fails it before it begins.
func (s *Sandbox) callMethod(req *request) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.strikes("answer_system_error", s.subject(req), req.method); ok {
		return nil, bank.ErrSystem
	}
	return apiMethods[req.method](s, req)
}

// readRequest collects the parameters of query and body.
func readRequest(w http.ResponseWriter, r *http.Request, req *request) error {
	if len(r.URL.RawQuery) > maxRequest {
		return invalid("invalid-parameter", "请求过长")
	}
	query, err := wire.ParseForm(r.URL.RawQuery)
	if err != nil {
		return formError(err)
	}
	req.params, req.method = query, query.Get("method")
	if r.Method != http.MethodPost {
		return nil
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if req.method == "" {
		req.method = body.Get("method")
	}
	if req.params, err = wire.Merge(query, body); err != nil {
		return formError(err)
	}
	return nil
}

// readBody reads a form in either of its two encodings.
func readBody(w http.ResponseWriter, r *http.Request) (wire.Params, error) {
	media, options, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return nil, invalid("invalid-parameter", "请求体无法读取或超过 1 MiB")
	}
	var body wire.Params
	switch media {
	case "", "application/x-www-form-urlencoded":
		body, err = wire.ParseForm(string(text))
	case "multipart/form-data":
		body, err = wire.ParseMultipart(text, options["boundary"])
	default:
		return nil, invalid("invalid-parameter", "Content-Type 应为 application/x-www-form-urlencoded 或 multipart/form-data")
	}
	if err != nil {
		return nil, formError(err)
	}
	return body, nil
}

func formError(err error) error {
	if errors.Is(err, wire.ErrRepeated) {
		return invalid("suspected-attack", "可疑的攻击请求："+err.Error())
	}
	return invalid("invalid-parameter", "请求参数无法解析："+err.Error())
}

// check goes through a request in the gateway's order: app, format, signature,
// method, content.
func (s *Sandbox) check(req *request) error {
	if req.method == "" {
		return missing("method")
	}
	switch req.params.Get("app_id") {
	case "":
		return missing("app-id")
	case s.cfg.AppID:
	default:
		return invalid("invalid-app-id", "无效的AppID参数")
	}
	if err := checkFormat(req); err != nil {
		return err
	}
	if err := s.checkCertificates(req); err != nil {
		return err
	}
	if err := s.checkSignature(req); err != nil {
		return err
	}
	_, page := pageMethods[req.method]
	if !page && apiMethods[req.method] == nil {
		return invalid("invalid-method", "不存在的方法名")
	}
	return s.readBiz(req)
}

func checkFormat(req *request) error {
	for _, need := range []string{"sign_type", "sign", "timestamp", "version"} {
		if req.params.Get(need) == "" {
			return missing(strings.ReplaceAll(strings.Replace(need, "sign", "signature", 1), "_", "-"))
		}
	}
	if req.params.Get("sign_type") != "RSA2" {
		return invalid("invalid-signature-type", "无效的签名类型，应为 RSA2")
	}
	charset, ok := wire.CharsetOf(req.params.Get("charset"))
	if !ok {
		return invalid("invalid-charset", "字符集错误，应为 utf-8 或 gbk")
	}
	req.charset = charset
	if _, err := time.Parse(timeLayout, req.params.Get("timestamp")); err != nil {
		return invalid("invalid-timestamp", "非法的时间戳参数，应为 yyyy-MM-dd HH:mm:ss")
	}
	if req.params.Get("version") != "1.0" {
		return invalid("invalid-version", "无效的版本号，应为 1.0")
	}
	if format := req.params.Get("format"); format != "" && !strings.EqualFold(format, "json") {
		return invalid("invalid-format", "无效的数据格式，应为 JSON")
	}
	return nil
}

// checkSignature also tells the merchant the string that it should have
// signed, as the real gateway does, with & as HTML.
func (s *Sandbox) checkSignature(req *request) error {
	text := req.params.RequestString()
	if wire.Verify(s.cfg.AppPublicKey, []byte(text), req.params.Get("sign")) == nil {
		return nil
	}
	shown, err := wire.Decode(req.charset, text)
	if err != nil {
		shown = strings.ToValidUTF8(text, "?")
	}
	return invalid("invalid-signature", "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配，网关生成的验签字符串为："+
		strings.ReplaceAll(shown, "&", "&amp;"))
}

// readBiz decodes the parameters' bytes, decrypts biz_content if it is
// encrypted, and parses it.
func (s *Sandbox) readBiz(req *request) error {
	for _, param := range req.params {
		if _, err := wire.Decode(req.charset, param.Value); err != nil {
			return invalid("invalid-encoding", "参数 "+param.Key+" 的编码与 charset 不符")
		}
	}
	content := req.text("biz_content")
	if content == "" {
		content = "{}"
	}
	if kind := req.params.Get("encrypt_type"); kind != "" {
		plain, err := s.decrypt(kind, content)
		if err != nil {
			return err
		}
		content, req.encrypted = plain, true
	}
	parsed, err := parseBiz(content)
	if err != nil {
		return invalid("illegal-json", "无效的JSON格式参数")
	}
	req.biz = parsed
	return nil
}

// decrypt opens an AES biz_content.
func (s *Sandbox) decrypt(kind, content string) (string, error) {
	if kind != "AES" || len(s.cfg.ContentKey) == 0 {
		return "", &gatewayError{"40003", "Insufficient Conditions", "isv.missing-encrypt-key", "缺少加密配置"}
	}
	plain, err := wire.DecryptAES(s.cfg.ContentKey, content)
	if err != nil {
		return "", &gatewayError{"40003", "Insufficient Conditions", "isv.decryption-error-unknown", "解密出错，未知异常"}
	}
	return string(plain), nil
}

// encrypt makes the quoted ciphertext that then is signed, quotes included.
func (s *Sandbox) encrypt(content []byte) ([]byte, error) {
	text, err := wire.EncryptAES(s.cfg.ContentKey, content)
	return []byte(`"` + text + `"`), err
}

// scalar reads a member of biz_content and bounds its length in characters.
func (r *request) scalar(name string, limit int) (string, error) {
	value, ok := r.biz.text(name)
	if !ok {
		return "", bank.Invalid(name + " 应为字符串")
	}
	if len([]rune(value)) > limit {
		return "", bank.Invalid(name + " 过长")
	}
	return value, nil
}
