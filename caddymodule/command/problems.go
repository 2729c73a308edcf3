// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
)

// problemText is a problem of the server's for people. Its own words are English.
func (t *tool) problemText(p *problem) string {
	if chinese := problemsInChinese[p.slug()]; t.lang == lang.Chinese && chinese != "" {
		return chinese
	}
	return lang.Plain(strings.ReplaceAll(p.Detail, "?account=", "--account"))
}

// problemsInChinese are the problems of docs/errors.md by the last part of their type.
var problemsInChinese = map[string]string{
	"unauthorized":           "需要令牌",
	"not-found":              "运行中的服务器不支持此操作",
	"no-account":             "没有此账户：请用 --account 指定已配置的支付宝账户",
	"method-not-allowed":     "该路径不支持此方法",
	"invalid-parameter":      "查询参数无效",
	"malformed-body":         "请求内容不是预期的 JSON 对象",
	"body-too-large":         "请求内容过大",
	"unsupported-media-type": "请求内容不是 JSON",
	"invalid-member":         "请求中的某个值无效",

	"order-not-found":  "没有此订单：从未有买家以该订单号进入收银台",
	"refund-not-found": "没有此退款",
	"event-not-found":  "没有此事件",
	"held-not-found":   "没有此挂起项",

	"order-not-paid":     "订单未支付，无款可退",
	"order-paid":         "订单已支付",
	"order-finished":     "交易已完结，支付宝不再受理退款",
	"order-contradicted": "订单存在相互矛盾的凭据，需先由人工处理",
	"no-trade":           "支付宝没有该订单的交易",
	"close-refused":      "支付宝拒绝关闭该交易",

	"refund-conflict":     "该退款号已用于另一金额的退款",
	"refund-sum-exceeded": "退款总额将超过已支付金额",
	"too-many-refunds":    "该订单的退款笔数已达上限",
	"refund-refused":      "支付宝拒绝退款，资金未变动；排除原因后可用同一退款号重试",

	"held-decided":        "该挂起项已另有决定",
	"held-not-acceptable": "该凭据与已通知商城的内容矛盾，不能接受；请退款或忽略",
	"held-others-first":   "该订单还有其它相互矛盾的挂起项；请先对它们作出决定，再接受此项",
	"held-no-payment":     "该凭据不涉及付款，无款可退",
	"held-own-trade":      "订单正是由该交易支付的，请改用订单退款",
	"held-needs-site":     "该订单从未进入收银台；请用 --public-url 指明为哪个站点接受",
	"unknown-site":        "此处没有配置该 public_url 的站点",
	"site-not-here":       "订单所属站点未在此处配置",

	"alipay-unreachable": "无法连接支付宝或其应答不可信；此处没有任何改变，可重试",
	"alipay-timeout":     "支付宝未及时应答；此处没有任何改变，可重试",
	"alipay-refused":     "支付宝拒绝了该调用",
	"ledger-unavailable": "账本暂不可用；没有任何记录，可重试",
	"internal":           "无法完成该操作，原因见服务器日志",
}
