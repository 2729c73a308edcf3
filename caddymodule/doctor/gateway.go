// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// How far the server's clock may be off. Alipay documents no bound for its v2
// gateway; its other interfaces take 10 minutes.
const (
	skewWarning = 30 * time.Second
	skewFault   = 5 * time.Minute
)

// gateway asks Alipay about an order that cannot exist. A signed "no such trade"
// proves gateway, app_id, both keys and the clock, and moves no money.
func (x *examination) gateway(ctx context.Context, cfg gateway.Config) {
	w := &witness{RoundTripper: x.Transport, now: x.Now}
	cfg.Transport = w
	g, err := gateway.New(cfg)
	if err != nil {
		x.fault(GatewayRefused, err.Error(), "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = g.Query(ctx, randomNumber())
	if w.answered {
		x.clock(w.skew)
	}
	x.answered(err, w, g.URL())
}

// randomNumber is an order number that no shop has used.
func randomNumber() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // it never fails
	return "doctor-" + hex.EncodeToString(b[:])
}

func (x *examination) clock(skew time.Duration) {
	skew = skew.Round(time.Second)
	off := max(skew, -skew)
	if off < skewWarning {
		return
	}
	severity := Warning
	if off >= skewFault {
		severity = Fault
	}
	text := x.say("this machine's clock is %s behind the gateway's", "本机时钟比网关慢 %s", off)
	if skew < 0 {
		text = x.say("this machine's clock is %s ahead of the gateway's", "本机时钟比网关快 %s", off)
	}
	x.find(ClockWrong, severity, text, "timedatectl set-ntp true")
}

func (x *examination) answered(err error, w *witness, address string) {
	refusal, isRefusal := errors.AsType[*gateway.GatewayError](err)
	switch {
	case isRefusal && refusal.Is(gateway.ErrTradeNotExist) && refusal.Signed:
		x.fine(GatewayFine, x.say("the gateway answered, signed: app_id, both keys and the clock are right", "网关已应答且签名正确：app_id、双方密钥与时钟均无误"))
	case isRefusal && refusal.Is(gateway.ErrTradeNotExist):
		x.warning(GatewayUnsigned, x.say("the gateway knows the app, but did not sign its answer: whether Alipay's key is right is not proved",
			"网关认得该应用，但应答未签名：无法证明支付宝公钥是否正确"), "")
	case isRefusal:
		x.refused(refusal)
	case errors.Is(err, gateway.ErrForeign):
		x.fault(AlipayKeyWrong, x.say("the gateway's answer is signed with another key than the configured one of Alipay", "网关应答的签名与所配置的支付宝公钥不符"),
			x.say("save 支付宝公钥 (or alipayCertPublicKey_RSA2.crt) anew from the console of this very app", "请从该应用的控制台重新保存“支付宝公钥”（或 alipayCertPublicKey_RSA2.crt）"))
	case err == nil:
		x.warning(GatewayRefused, x.say("the gateway knows an order that cannot exist: is it Alipay's?", "网关声称存在一个不可能存在的订单：它是支付宝的网关吗？"), "gateway production")
	case !w.answered:
		why, _ := x.hint(err)
		x.fault(GatewayUnreachable, x.say("the gateway cannot be reached: %s", "无法连接网关：%s", strings.TrimPrefix(why, gateway.ErrUnknown.Error()+": ")),
			"curl -sSI "+address)
	case w.status != 200:
		x.fault(GatewayRefused, x.say("the gateway's address answered with HTTP status %d: it is no gateway of Alipay", "网关地址返回 HTTP 状态 %d：它不是支付宝网关", w.status), "gateway production")
	default:
		x.warning(GatewayRefused, x.say("the gateway's answer cannot be used: %s", "网关的应答无法使用：%s", err), x.say("try again in a minute", "请一分钟后重试"))
	}
}

// refused tells the errors that the gateway gives for a wrong configuration.
func (x *examination) refused(e *gateway.GatewayError) {
	said := e.Code
	if e.SubCode != "" {
		said += " " + e.SubCode
	}
	said = x.say("the gateway answered %s: ", "网关返回 %s：", said)
	switch name := e.SubCode[strings.LastIndexByte(e.SubCode, '.')+1:]; name {
	case "invalid-app-id":
		x.fault(AppUnknown, said+x.say("it does not know this app_id", "不认得该 app_id"),
			x.say("gateway sandbox (or production): the one to which the app belongs", "gateway sandbox（或 production）：应与应用所属环境一致"))
	case "invalid-signature", "missing-signature-config":
		x.fault(AppKeyUnknown, said+x.say("app_private_key does not belong to the public key that was uploaded for the app", "app_private_key 与控制台中上传的应用公钥不匹配"),
			x.say("upload the public key of this private key in the console (compare its SHA-256 above)", "请在控制台上传与该私钥对应的应用公钥（可比对上面的 SHA-256）"))
	case "missing-app-cert-sn", "missing-alipay-root-cert-sn":
		x.fault(AppCertUnknown, said+x.say("the app is in certificate mode", "该应用使用证书模式"), "app_cert …  alipay_cert …  alipay_root_cert …")
	case "invalid-alipay-root-cert-sn", "invalid-app-cert-sn", "app-cert-expired", "app-cert-not-exist", "alipay-cert-not-exist":
		x.fault(AppCertUnknown, said+x.say("the certificates are not those of the console", "证书与控制台中的不一致"), x.downloadCert())
	case "not-online-app":
		x.fault(AppOffline, said+x.say("the app has not been put online", "应用尚未上线"), x.say("put the app online in the console", "请在控制台提交应用上线"))
	case "insufficient-isv-permissions", "ACCESS_FORBIDDEN":
		x.fault(ProductUnsigned, said+x.say("the app has not signed for the product", "应用尚未签约该产品"), x.say("sign for 电脑网站支付 or 手机网站支付 in the console", "请在控制台签约“电脑网站支付”或“手机网站支付”"))
	case "invalid-timestamp":
		x.fault(ClockWrong, said+x.say("this machine's clock is wrong", "本机时钟不准"), "timedatectl set-ntp true")
	default:
		x.fault(GatewayRefused, said+e.Hint, "")
	}
}
