// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import "slices"

// FaultInfo describes one fault.
type FaultInfo struct {
	Name string `json:"name"`
	// Amount is the total_amount that has this fault built in, "" for none.
	Amount string `json:"amount,omitempty"`
	About  string `json:"about"`
	// AboutZH is About in Chinese.
	AboutZH string `json:"about_zh"`
}

// FaultCatalogue lists every fault.
func FaultCatalogue() []FaultInfo { return slices.Clone(catalogue) }

func catalogued(name string) (FaultInfo, bool) {
	for _, info := range catalogue {
		if info.Name == name {
			return info, true
		}
	}
	return FaultInfo{}, false
}

// catalogue is also the table in the package's documentation.
var catalogue = []FaultInfo{
	{"notify_never", "666.01", "notices are never sent; a resend by hand is",
		"从不发送通知；手动重发仍会发送"},
	{"notify_late", "666.02", "notices leave after a delay on the gateway's clock (default 30s)",
		"通知按网关时钟延迟发出（默认 30s）"},
	{"notify_twice", "666.03", "each notice leaves twice at the same moment",
		"每条通知在同一时刻发出两次"},
	{"notify_out_of_order", "666.04", "a notice waits until a later one of its order has gone first",
		"一条通知要等同一订单后面的通知先发出"},
	{"notify_wrong_signature", "666.05", "the signature is another text's",
		"签名属于另一段文本"},
	{"notify_wrong_amount", "666.06", "total_amount is one fen more, validly signed",
		"total_amount 多一分，签名有效"},
	{"notify_gbk", "666.07", "the notice is in GBK and says so",
		"通知以 GBK 编码，并如实注明"},
	{"notify_cert_sn", "666.08", "alipay_cert_sn of an unknown certificate is among the signed fields",
		"签名字段中有未知证书的 alipay_cert_sn"},
	{"notify_empty_values", "666.09", "some fields are there with empty values, signed",
		"有些字段存在但值为空，并参与签名"},
	{"notify_query_in_body", "666.10", "the query of notify_url arrives in the body, unsigned",
		"notify_url 的查询参数出现在请求体里，不参与签名"},
	{"notify_key_rolled", "666.11", "signed with the next key, which /alipay_public_key.next.pem shows",
		"用下一把密钥签名，公钥见 /alipay_public_key.next.pem"},
	{"notify_wrong_seller", "666.12", "seller_id is another's, validly signed",
		"seller_id 是别人的，签名有效"},
	{"notify_wrong_app", "666.13", "app_id is another's, validly signed",
		"app_id 是别人的，签名有效"},
	{"notify_doubled_key", "666.14", "total_amount is there twice, the second time unsigned",
		"total_amount 出现两次，第二个不参与签名"},
	{"notify_unknown_field", "666.15", "a field that no document names, signed",
		"带有文档中没有的字段，并参与签名"},
	{"notify_is_return", "666.16", "the signed parameters of the return, posted as a notice",
		"把同步回跳的已签名参数当作通知发来"},
	{"notify_clock_skew", "666.17", "notify_time and gmt_payment are nine hours ahead",
		"notify_time 和 gmt_payment 快九小时"},
	{"notify_huge", "666.18", "the body has a field of one MiB, signed",
		"请求体有一个 1 MiB 的字段，并参与签名"},
	{"notify_resplit", "666.19", "total_amount is moved into subject's value, which leaves the signed text as it was",
		"total_amount 被并入 subject 的值，待签名文本不变"},
	{"paid_after_close", "666.21", "an order closed unpaid can still be paid",
		"未付款就关闭的订单仍可付款"},
	{"paid_twice", "666.22", "a second trade_no is noticed as paid for the same order",
		"同一订单再来一个 trade_no 的付款通知"},
	{"return_never", "666.31", "the paid page does not lead back to the shop",
		"付款成功页不跳回商户"},
	{"return_wrong_signature", "666.32", "the return's signature is another text's",
		"回跳的签名属于另一段文本"},
	{"return_gbk", "666.33", "the return says charset=GBK",
		"回跳注明 charset=GBK"},
	{"return_late", "666.34", "the paid page leads back after a delay of real time (default 30s)",
		"付款成功页过一段真实时间才跳回（默认 30s）"},
	{"answer_timeout", "666.41", "no answer for a delay of real time (default 30s)",
		"在一段真实时间内不应答（默认 30s）"},
	{"answer_500", "666.42", "HTTP 500 with an HTML page, though the call took effect",
		"HTTP 500 和一个 HTML 页面，但调用已生效"},
	{"answer_unsigned_error", "666.43", "an unsigned 20000, though the call took effect",
		"未签名的 20000，但调用已生效"},
	{"answer_unsigned_success", "666.44", "the answer without its signature",
		"应答没有签名"},
	{"answer_system_error", "666.45", "a signed ACQ.SYSTEM_ERROR, and nothing was done",
		"已签名的 ACQ.SYSTEM_ERROR，什么都没有做"},
	{"answer_system_error_done", "666.46", "a signed ACQ.SYSTEM_ERROR, though the call took effect",
		"已签名的 ACQ.SYSTEM_ERROR，但调用已生效"},
	{"answer_truncated", "666.47", "half of the answer",
		"只有前一半应答"},
	{"answer_other_order", "666.48", "validly signed, of another order",
		"签名有效，但属于另一个订单"},
	{"answer_null", "666.49", "null where the response member belongs",
		"应答节点的值是 null"},
	{"answer_slashes", "666.50", "each / is written \\/ in sign and content, signed before that",
		"签名和内容里的 / 都写成 \\/，签名在此之前"},
	{"answer_wrong_signature", "666.51", "the signature is another text's",
		"签名属于另一段文本"},
	{"answer_doubled_member", "666.52", "the response member twice, the first one forged",
		"应答节点出现两次，第一个是伪造的"},
	{"answer_not_json", "666.53", "a login page instead of JSON",
		"不是 JSON，而是一个登录页"},
	{"answer_huge", "666.54", "four MiB of blanks before the answer",
		"应答前有 4 MiB 空格"},
	{"cert_rolled", "666.55", "in certificate mode, answers name a new certificate of the same key",
		"证书模式下，应答注明同一密钥的新证书"},
	{"answer_clock_skew", "666.56", "the times in an answer and its Date are nine hours ahead",
		"应答里的时间和 Date 头快九小时"},
	{"refund_slow", "666.61", "a refund answers fund_change=N and shows after a delay on the clock (default 30s)",
		"退款应答 fund_change=N，按时钟延迟后才到账（默认 30s）"},
	{"refund_full_once", "666.62", "like Alipay's own sandbox: one refund call, of the full amount",
		"与支付宝自己的沙箱一样：只能全额退款一次"},
	{"refund_spacing", "666.63", "two refunds within three seconds are refused",
		"三秒内的第二次退款被拒绝"},
	{"refund_seller_balance", "666.64", "SELLER_BALANCE_NOT_ENOUGH",
		"SELLER_BALANCE_NOT_ENOUGH：商户余额不足"},
	{"refund_unlisted", "666.65", "a signed refusal that Alipay's documents do not list",
		"带签名的拒绝，错误码不在支付宝文档里"},
}
