// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
)

const greeting = `
The tea shop is open. 茶铺开张了，请在浏览器中打开：

    %[1]s

  1. Choose a tea and log in: any name will do, there is no password.
     选一款茶，登录：随便写个名字，没有密码。
  2. Pay at the sandbox's cashier as 林晓 Lin Xiao. No real money moves.
     在沙箱收银台用“林晓”付款，不动真钱。
  3. Come back to an order that is paid, with Alipay's trade number.
     回到商店：订单已付款，并有支付宝交易号。

  Caddy with alipay   %[1]s
  the shop behind it  http://%[2]s   (leads to Caddy's address)
  sandbox gateway     http://%[3]s   (every trade and notice; faults to try)
  merchant API        http://%[6]s   (orders, refunds, what is held; see /openapi.json)
  its token           %[7]s   (Authorization: Bearer …)
  data and keys       %[4]s   (delete it to begin anew)
  its Caddyfile       %[5]s

Ctrl-C stops it. Paid orders stay paid. 按 Ctrl-C 停止，付过款的订单不会丢。

`

// greet says what to do next.
func (d *demo) greet(w io.Writer) {
	fmt.Fprintf(w, greeting, d.places.URL(), d.places.shop.Addr(), d.places.sandbox.Addr(), d.folder, d.folder.path(caddyFile),
		d.places.merchant, d.token)
}
