// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bank

// Buyer is one test account.
type Buyer struct {
	UserID  string // 16 digits, 2088…
	OpenID  string // set: Alipay names this buyer by open id instead
	LogonID string // masked, as notices show it
	Name    string // Chinese
	English string
	Balance Fen
	Blocked bool   // the account may not pay
	AuthNo  string // the payment code that alipay.trade.pay takes, 18 digits
}

// Buyers returns fresh test buyers: one who can pay anything, one with a
// modest sum, one with nothing, one known by open id only, one blocked.
func Buyers() []*Buyer {
	return []*Buyer{
		{UserID: "2088102146225101", LogonID: "lin***@pay.test", Name: "林晓", English: "Lin Xiao",
			Balance: 1_000_000_000_00, AuthNo: "281000000000000001"},
		{UserID: "2088102146225102", LogonID: "wan***@pay.test", Name: "王磊", English: "Wang Lei",
			Balance: 5_000_00, AuthNo: "281000000000000002"},
		{UserID: "2088102146225103", LogonID: "che***@pay.test", Name: "陈默", English: "Chen Mo",
			Balance: 0, AuthNo: "281000000000000003"},
		{UserID: "2088102146225104", OpenID: "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5",
			LogonID: "138****0004", Name: "赵宁", English: "Zhao Ning",
			Balance: 1_000_000_00, AuthNo: "281000000000000004"},
		{UserID: "2088102146225105", LogonID: "sun***@pay.test", Name: "孙冻", English: "Sun Dong",
			Balance: 1_000_00, Blocked: true, AuthNo: "281000000000000005"},
	}
}
