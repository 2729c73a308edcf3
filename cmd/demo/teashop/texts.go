// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

// text is one text in the shop's two languages.
type text struct{ zh, en string }

var texts = map[string]text{
	"brand":      {"山前茶铺", "Hillside Tea"},
	"skip":       {"跳到正文", "Skip to content"},
	"other.lang": {"English", "中文"},
	"nav":        {"主导航", "Main navigation"},
	"nav.teas":   {"茶单", "Teas"},
	"nav.orders": {"我的订单", "My orders"},
	"nav.login":  {"登录", "Log in"},
	"nav.logout": {"退出", "Log out"},
	"foot":       {"演示商店：不发货，也不收真钱。", "A demo shop: nothing is shipped and no real money moves."},
	"foot.how":   {"这家店里没有一行支付宝代码，付款都由前面的 Caddy 代办。", "There is no Alipay code in this shop; Caddy in front of it sees to the payments."},

	"title.teas":    {"一山一味", "Teas from six hillsides"},
	"title.login":   {"登录", "Log in"},
	"title.orders":  {"我的订单", "My orders"},
	"title.order":   {"订单详情", "Your order"},
	"title.return":  {"付款结果", "Payment"},
	"title.settled": {"无需付款", "Nothing to pay"},
	"title.problem": {"出了点问题", "Something is not right"},

	"hero.head": {"一山一味，慢慢喝", "Six hillsides, one slow cup"},
	"hero.lead": {"六款茶，各来自一座山。选一款，下单，付款，看看店家怎样知道钱已到账。",
		"Six teas, each from a hill of its own. Choose one, order it, pay, and see how the shop learns of it."},
	"per.pack": {"每罐 100 克", "100 g tin"},

	"tea.origin":   {"产地", "Origin"},
	"tea.brew":     {"冲泡", "Brewing"},
	"tea.pack":     {"规格", "Packing"},
	"tea.back":     {"全部茶品", "All teas"},
	"tea.quantity": {"数量（罐）", "Tins"},
	"tea.buy":      {"立即购买", "Buy now"},
	"tea.login":    {"登录后购买", "Log in to buy"},

	"login.head": {"欢迎，请问怎么称呼？", "Welcome. What may we call you?"},
	"login.lead": {"演示商店不设密码，随便写个名字就行。", "The demo has no passwords: any name will do."},
	"login.name": {"您的名字", "Your name"},
	"login.go":   {"进店", "Come in"},
	"login.bad":  {"请写一个 1 到 32 个字的名字。", "Please write a name of 1 to 32 characters."},

	"orders.empty": {"还没有订单。", "No orders yet."},
	"orders.go":    {"去看看茶", "See the teas"},
	"back.orders":  {"我的订单", "My orders"},

	"order.number":   {"订单号", "Order number"},
	"order.created":  {"下单时间", "Ordered"},
	"order.amount":   {"应付金额", "Amount"},
	"order.total":    {"金额", "Amount"},
	"order.pay":      {"支付宝付款", "Pay with Alipay"},
	"order.paylead":  {"付款页会在本窗口打开，付完自动回到这里。", "The cashier opens in this window and brings you back."},
	"order.thanks":   {"谢谢您！茶已在打包。", "Thank you! Your tea is being packed."},
	"order.tradeno":  {"支付宝交易号", "Alipay trade number"},
	"order.paidat":   {"付款时间", "Paid"},
	"order.refunded": {"已退款", "Refunded"},
	"order.refund":   {"货款已全部退回。", "The money has been returned in full."},
	"order.closed":   {"付款期限已过，订单关闭。想喝的话，请重新下单。", "The time to pay is over and the order is closed. Please order again."},
	"order.source":   {"由谁证实", "Proved by"},
	"order.again":    {"再买一份", "Order again"},

	"source.notify": {"支付宝的异步通知", "Alipay's notice"},
	"source.query":  {"向支付宝查询", "asking Alipay"},
	"source.refund": {"退款结果", "the refund's answer"},
	"source.bill":   {"对账单", "the bill"},

	"state.unpaid":   {"待付款", "Awaiting payment"},
	"state.paid":     {"已付款", "Paid"},
	"state.refunded": {"已退款", "Refunded"},
	"state.closed":   {"已关闭", "Closed"},

	"step.label":   {"订单进度", "Progress"},
	"step.ordered": {"已下单", "Ordered"},
	"step.packed":  {"打包中", "Packing"},

	"return.paid":     {"付款成功", "Paid"},
	"return.paidlead": {"钱已到账，茶这就打包。", "Your payment has arrived; the tea is being packed."},
	"return.wait":     {"正在确认付款", "We are checking your payment"},
	"return.waitlead": {"请稍等，本页会自动刷新。请不要重复付款。", "One moment; this page refreshes by itself. Please do not pay again."},
	"return.over":     {"这笔交易已结束", "This trade has ended"},
	"return.overlead": {"详情请看订单。", "Your order has the details."},
	"return.order":    {"查看订单", "See your order"},
	"return.how":      {"店家怎么知道的？", "How does the shop know?"},
	"return.howlead": {"Caddy 验过支付宝的签名，并把证实了的内容写进请求头，交给商店。浏览器自己写的同名请求头会被删掉。",
		"Caddy checked Alipay's signature and handed the shop what is proved, as request headers. A browser that sends such headers itself has them deleted."},

	"settled.lead":  {"这个订单不需要再付款。", "This order needs no payment any more."},
	"quantity.bad":  {"数量要在 1 到 9 之间。", "The quantity has to be from 1 to 9."},
	"save.failed":   {"订单没能保存，请稍后再试。", "The order could not be saved; please try again in a minute."},
	"notfound":      {"这里什么也没有，或者不是您的订单。", "There is nothing here, or the order is not yours."},
	"problem.home":  {"回到茶单", "Back to the teas"},
	"problem.title": {"出了点问题", "Something is not right"},
}
