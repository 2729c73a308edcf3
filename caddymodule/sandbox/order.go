// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

// product is a way to pay.
type product struct {
	method string
	// codes are the product_codes it takes, the first is the default.
	codes []string
	// coded says that product_code must be given.
	coded bool
	// fromLogin says that a relative time-out counts from the login, not from
	// the first request.
	fromLogin bool
	// lifetime is how long an order without a time-out can be paid.
	lifetime time.Duration
}

var (
	pagePay = product{
		method: "alipay.trade.page.pay", codes: []string{"FAST_INSTANT_TRADE_PAY"}, coded: true, lifetime: maxExpire,
	}
	wapPay = product{
		method: "alipay.trade.wap.pay", codes: []string{"QUICK_WAP_WAY"}, coded: true, fromLogin: true, lifetime: maxExpire,
	}
	appPay = product{
		method: "alipay.trade.app.pay", codes: []string{"QUICK_MSECURITY_PAY"}, fromLogin: true, lifetime: maxExpire,
	}
	precreate = product{
		method: "alipay.trade.precreate", codes: []string{"FACE_TO_FACE_PAYMENT", "QR_CODE_OFFLINE"}, lifetime: faceToFace,
	}
	create = product{
		method: "alipay.trade.create", codes: []string{"FACE_TO_FACE_PAYMENT", "JSAPI_PAY"}, lifetime: faceToFace,
	}
	barCode = product{
		method: "alipay.trade.pay", codes: []string{"FACE_TO_FACE_PAYMENT"}, lifetime: faceToFace,
	}
)

// faceToFace is how long orders of the shop counter live by default.
const faceToFace = 3 * time.Hour

// Bounds of an order's fields (Alipay documents 028r8t, 02ivbs), lengths in
// characters.
const (
	maxOutTradeNo = 64
	maxSubject    = 256
	maxBody       = 400
	maxPassback   = 512
	maxURL        = 256
	maxQuitURL    = 400
	maxExpire     = 15 * 24 * time.Hour
)

var (
	outTradeNoForm = regexp.MustCompile("^[A-Za-z0-9_-]{1,64}$") // production takes hyphens, which the documents do not name
	expressForm    = regexp.MustCompile("^([1-9][0-9]{0,4})([mhd])$")
)

// readOrder checks the fields of an order. first is when the merchant first
// asked for this number: relative time-outs count from there.
func (s *Sandbox) readOrder(req *request, way product, first time.Time) (bank.Order, error) {
	order := bank.Order{SellerID: s.cfg.SellerID}
	for _, field := range []struct {
		name  string
		limit int
		value *string
	}{
		{"out_trade_no", maxOutTradeNo, &order.OutTradeNo},
		{"subject", maxSubject, &order.Subject},
		{"body", maxBody, &order.Body},
		{"passback_params", maxPassback, &order.PassbackParams},
	} {
		value, err := req.scalar(field.name, field.limit)
		if err != nil {
			return order, err
		}
		*field.value = value
	}
	order.GoodsDetail = string(req.biz["goods_detail"])
	if err := checkNames(order); err != nil {
		return order, err
	}
	var err error
	if order.ProductCode, err = productCode(req, way); err != nil {
		return order, err
	}
	if seller, _ := req.biz.text("seller_id"); seller != "" && seller != s.cfg.SellerID {
		return order, bank.ErrInvalidSeller
	}
	amount, _ := req.biz.text("total_amount")
	if order.Total, err = bank.ParseFen(amount); err != nil {
		return order, bank.Invalid("total_amount 应在 0.01 至 100000000.00 之间，最多两位小数")
	}
	if order.NotifyURL, err = callbackURL(req, "notify_url"); err != nil {
		return order, err
	}
	order.Expire, err = expiry(req, first, way.lifetime)
	return order, err
}

func productCode(req *request, way product) (string, error) {
	given, _ := req.biz.text("product_code")
	if given == "" && !way.coded {
		return way.codes[0], nil
	}
	if !slices.Contains(way.codes, given) {
		return "", bank.Invalid("product_code 应为 " + strings.Join(way.codes, " 或 "))
	}
	return given, nil
}

func checkNames(order bank.Order) error {
	if !outTradeNoForm.MatchString(order.OutTradeNo) {
		return bank.Invalid("out_trade_no 应为 1 至 64 位字母、数字、下划线或连字符")
	}
	if strings.TrimSpace(order.Subject) == "" || strings.ContainsAny(order.Subject, "/=&") {
		return bank.Invalid("subject 不能为空，且不能包含 / = &")
	}
	return nil
}

// callbackURL reads notify_url or return_url: absolute, http or https, at most
// 256 characters.
func callbackURL(req *request, name string) (string, error) {
	text := req.text(name)
	if text == "" {
		return "", nil
	}
	if err := checkURL(text, maxURL); err != "" {
		return "", bank.Invalid(name + " " + err)
	}
	return text, nil
}

func checkURL(text string, limit int) string {
	if len(text) > limit {
		return "过长，最多 " + strconv.Itoa(limit) + " 个字符"
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return "应为 http 或 https 绝对地址"
	}
	return ""
}

// expiry computes when an unpaid trade closes. time_expire wins over
// timeout_express; 15 days is the longest; with neither the product decides.
func expiry(req *request, first time.Time, lifetime time.Duration) (time.Time, error) {
	absolute, _ := req.biz.text("time_expire")
	if absolute != "" {
		at, err := time.ParseInLocation(timeLayout, absolute, zone)
		if err != nil {
			return at, bank.Invalid("time_expire 应为 yyyy-MM-dd HH:mm:ss")
		}
		if at.Sub(first) > maxExpire {
			return at, bank.Invalid("time_expire 最多为 15 天后")
		}
		return at, nil
	}
	express, _ := req.biz.text("timeout_express")
	switch express {
	case "":
		return first.Add(lifetime), nil
	case "1c": // until the day ends
		y, m, d := first.In(zone).Date()
		return time.Date(y, m, d+1, 0, 0, 0, 0, zone), nil
	}
	parts := expressForm.FindStringSubmatch(express)
	if parts == nil {
		return first, bank.Invalid("timeout_express 应为 1m～15d 的整数，单位 m、h、d，或 1c")
	}
	count, _ := strconv.Atoi(parts[1]) // at most five digits
	unit := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[parts[2]]
	if wait := time.Duration(count) * unit; wait <= maxExpire {
		return first.Add(wait), nil
	}
	return first, bank.Invalid("timeout_express 最多为 15d")
}
