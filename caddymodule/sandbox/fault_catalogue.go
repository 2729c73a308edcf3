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
	{"notify_never", "666.01", "notices are never sent; a resend by hand is"},
	{"notify_late", "666.02", "notices leave after a delay on the gateway's clock (default 30s)"},
	{"notify_twice", "666.03", "each notice leaves twice at the same moment"},
	{"notify_out_of_order", "666.04", "a notice waits until a later one of its order has gone first"},
	{"notify_wrong_signature", "666.05", "the signature is another text's"},
	{"notify_wrong_amount", "666.06", "total_amount is one fen more, validly signed"},
	{"notify_gbk", "666.07", "the notice is in GBK and says so"},
	{"notify_cert_sn", "666.08", "alipay_cert_sn of an unknown certificate is among the signed fields"},
	{"notify_empty_values", "666.09", "some fields are there with empty values, signed"},
	{"notify_query_in_body", "666.10", "the query of notify_url arrives in the body, unsigned"},
	{"notify_key_rolled", "666.11", "signed with the next key, which /alipay_public_key.next.pem shows"},
	{"notify_wrong_seller", "666.12", "seller_id is another's, validly signed"},
	{"notify_wrong_app", "666.13", "app_id is another's, validly signed"},
	{"notify_doubled_key", "666.14", "total_amount is there twice, the second time unsigned"},
	{"notify_unknown_field", "666.15", "a field that no document names, signed"},
	{"notify_is_return", "666.16", "the signed parameters of the return, posted as a notice"},
	{"notify_clock_skew", "666.17", "notify_time and gmt_payment are nine hours ahead"},
	{"notify_huge", "666.18", "the body has a field of one MiB, signed"},
	{"notify_resplit", "666.19", "total_amount is moved into subject's value, which leaves the signed text as it was"},
	{"paid_after_close", "666.21", "an order closed unpaid can still be paid"},
	{"paid_twice", "666.22", "a second trade_no is noticed as paid for the same order"},
	{"return_never", "666.31", "the paid page does not lead back to the shop"},
	{"return_wrong_signature", "666.32", "the return's signature is another text's"},
	{"return_gbk", "666.33", "the return says charset=GBK"},
	{"return_late", "666.34", "the paid page leads back after a delay of real time (default 30s)"},
	{"answer_timeout", "666.41", "no answer for a delay of real time (default 30s)"},
	{"answer_500", "666.42", "HTTP 500 with an HTML page, though the call took effect"},
	{"answer_unsigned_error", "666.43", "an unsigned 20000, though the call took effect"},
	{"answer_unsigned_success", "666.44", "the answer without its signature"},
	{"answer_system_error", "666.45", "a signed ACQ.SYSTEM_ERROR, and nothing was done"},
	{"answer_system_error_done", "666.46", "a signed ACQ.SYSTEM_ERROR, though the call took effect"},
	{"answer_truncated", "666.47", "half of the answer"},
	{"answer_other_order", "666.48", "validly signed, of another order"},
	{"answer_null", "666.49", "null where the response member belongs"},
	{"answer_slashes", "666.50", "each / is written \\/ in sign and content, signed before that"},
	{"answer_wrong_signature", "666.51", "the signature is another text's"},
	{"answer_doubled_member", "666.52", "the response member twice, the first one forged"},
	{"answer_not_json", "666.53", "a login page instead of JSON"},
	{"answer_huge", "666.54", "four MiB of blanks before the answer"},
	{"cert_rolled", "666.55", "in certificate mode, answers name a new certificate of the same key"},
	{"answer_clock_skew", "666.56", "the times in an answer and its Date are nine hours ahead"},
	{"refund_slow", "666.61", "a refund answers fund_change=N and shows after a delay on the clock (default 30s)"},
	{"refund_full_once", "666.62", "like Alipay's own sandbox: one refund call, of the full amount"},
	{"refund_spacing", "666.63", "two refunds within three seconds are refused"},
	{"refund_seller_balance", "666.64", "SELLER_BALANCE_NOT_ENOUGH"},
}
