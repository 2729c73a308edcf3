// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// bizContent takes a cashier's address apart.
func bizContent(t *testing.T, address string) (map[string]any, url.Values) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var biz map[string]any
	if err := json.Unmarshal([]byte(u.Query().Get("biz_content")), &biz); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return biz, u.Query()
}

// TestPayRequests: what is asked wrongly is told so, and reaches nobody.
func TestPayRequests(t *testing.T) {
	w := newWorld(t, shows)
	w.Shop.offer("Q1", "1.00")
	long := strings.Repeat("a", 65)
	for _, c := range []struct {
		method, target, contentType, body string
		status                            int
	}{
		{"GET", "/pay", "", "", 400},
		{"GET", "/pay?", "", "", 400},
		{"GET", "/pay?out_trade_no=", "", "", 400},
		{"GET", "/pay?out_trade_no=a%20b", "", "", 400},
		{"GET", "/pay?out_trade_no=..%2f..%2fadmin", "", "", 400},
		{"GET", "/pay?out_trade_no=Q1%3Fadmin=1", "", "", 400},
		{"GET", "/pay?out_trade_no=Q1%00", "", "", 400},
		{"GET", "/pay?out_trade_no=Q1%0d%0aX-A:b", "", "", 400},
		{"GET", "/pay?out_trade_no={http.vars.x}", "", "", 400},
		{"GET", "/pay?out_trade_no=%E8%8C%B6", "", "", 400},
		{"GET", "/pay?out_trade_no=" + long, "", "", 400},
		{"GET", "/pay?out_trade_no=Q1&out_trade_no=Q1", "", "", 400},
		{"GET", "/pay?out_trade_no=Q1;out_trade_no=Q2", "", "", 400},
		{"GET", "/pay?out_trade_no=%zz", "", "", 400},
		{"GET", "/pay?out_trade_no=Q1&channel=app", "", "", 400},
		{"GET", "/pay?out_trade_no=Q1&channel=page&channel=wap", "", "", 400},
		{"POST", "/pay?out_trade_no=Q1", formType, "out_trade_no=Q1", 400},
		{"POST", "/pay", formType, "out_trade_no=Q1&out_trade_no=Q2", 400},
		{"POST", "/pay", formType, "out_trade_no=%zz", 400},
		{"POST", "/pay", "application/json", `{"out_trade_no":"Q1"}`, 415},
		{"POST", "/pay", "multipart/form-data; boundary=x", "--x--", 415},
		{"POST", "/pay", "", "out_trade_no=Q1", 415},
		{"POST", "/pay", formType, "out_trade_no=Q1&x=" + strings.Repeat("a", 64<<10), 413},
		{"HEAD", "/pay?out_trade_no=Q1", "", "", 405},
		{"PUT", "/pay?out_trade_no=Q1", "", "", 405},
		{"DELETE", "/pay?out_trade_no=Q1", "", "", 405},
		{"OPTIONS", "/pay?out_trade_no=Q1", "", "", 405},
	} {
		headers := []string{fmt.Sprint("Content-Length: ", len(c.body))}
		if c.contentType != "" {
			headers = append(headers, "Content-Type: "+c.contentType)
		}
		message := append(w.rawHead(c.method+" "+c.target, headers...)[:3+len(headers)], "", c.body)
		a := raw(t, w.URL, message...)
		if a.Status != c.status || c.method != "HEAD" && !strings.HasPrefix(a.Body, fmt.Sprint(c.status, " ")) {
			t.Errorf("%s %.60s with %.40q was answered %d %q", c.method, c.target, c.body, a.Status, a.Body)
		}
		if c.status == 405 && a.Header.Get("Allow") != "GET, POST" {
			t.Errorf("%s: Allow is %q", c.method, a.Header.Get("Allow"))
		}
	}
	if got := w.Shop.matching(func(*received) bool { return true }); len(got) != 0 {
		t.Errorf("%s reached the shop", got[0].URI)
	}
	w.wantNoOrders()
}

// TestPayForm: the order may come as a form, too.
func TestPayForm(t *testing.T) {
	w := newWorld(t, "")
	w.Shop.offer("Q2", "1.00")
	for path, body := range map[string]string{
		"/pay": "out_trade_no=Q2&channel=wap", "/pay?channel=wap": "out_trade_no=Q2", "/pay?out_trade_no=Q2&channel=wap": "",
	} {
		a := w.do(http.MethodPost, path, body, http.Header{"Content-Type": {formType + "; charset=UTF-8"}})
		if a.Status != http.StatusSeeOther || !strings.Contains(a.Header.Get("Location"), "alipay.trade.wap.pay") {
			t.Errorf("%s with %q was answered %d %s", path, body, a.Status, a.Header.Get("Location"))
		}
	}
}

// TestChannel: phones get the phone's cashier unless the shop says otherwise.
func TestChannel(t *testing.T) {
	w := newWorld(t, "")
	w.Shop.offer("Q3", "1.00")
	const (
		iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
		android = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
		tablet  = "Mozilla/5.0 (Linux; Android 14; Tab S9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
		ipad    = "Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1 Mobile/15E148 Safari/604.1"
		windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	)
	for _, c := range []struct{ asked, ua, hint, want string }{
		{"", iphone, "", "wap"}, {"", android, "", "wap"}, {"", tablet, "", "page"}, {"", ipad, "", "page"}, {"", windows, "", "page"},
		{"", "", "", "page"}, {"", windows, "?1", "wap"}, {"", android, "?0", "page"},
		{"page", iphone, "", "page"}, {"wap", windows, "", "wap"}, {"page", "", "?1", "page"},
	} {
		h := http.Header{"User-Agent": {c.ua}}
		if c.hint != "" {
			h.Set("Sec-CH-UA-Mobile", c.hint)
		}
		query := "?out_trade_no=Q3"
		if c.asked != "" {
			query += "&channel=" + c.asked
		}
		a := w.do(http.MethodGet, "/pay"+query, "", h)
		biz, q := bizContent(t, a.Header.Get("Location"))
		product := map[string]string{"page": "FAST_INSTANT_TRADE_PAY", "wap": "QUICK_WAP_WAY"}[c.want]
		if q.Get("method") != "alipay.trade."+c.want+".pay" || biz["product_code"] != product {
			t.Errorf("%+v became %s with %v", c, q.Get("method"), biz["product_code"])
		}
	}
}

// TestPayAsJSON for shops that open the cashier from a script.
func TestPayAsJSON(t *testing.T) {
	w := newWorld(t, "")
	w.Shop.offer("Q4", "1.00")
	a := w.do(http.MethodGet, "/pay?out_trade_no=Q4", "", http.Header{"Accept": {"application/json"}})
	var answer map[string]string
	if err := json.Unmarshal([]byte(a.Body), &answer); err != nil || a.Status != http.StatusOK {
		t.Fatalf("%d %s, %v", a.Status, a.Body, err)
	}
	biz, _ := bizContent(t, answer["alipay_url"])
	if len(answer) != 2 || answer["out_trade_no"] != "Q4" || biz["out_trade_no"] != "Q4" ||
		a.Header.Get("Content-Type") != "application/json" || strings.Contains(a.Body, `\u0026`) {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	for _, accept := range []string{"application/json", "text/html", ""} {
		a := w.do(http.MethodGet, "/pay?out_trade_no=Q4", "", http.Header{"Accept": {accept}})
		if a.Header.Get("Vary") != "Accept" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%q: %v", accept, a.Header)
		}
	}
}

// TestLongOrderBecomesAForm that submits itself, under a policy that allows its
// one script only, and that the gateway takes.
func TestLongOrderBecomesAForm(t *testing.T) {
	w := newWorld(t, "")
	w.looksUpText(200, "application/json", `{"out_trade_no":"Q5","total_amount":"1.00","subject":"`+
		strings.Repeat("龙井茶", 80)+`","body":"\"><script>alert(1)</script>&amp; '"}`)
	a := w.get("/pay?out_trade_no=Q5")
	if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", a.Status, a.Header)
	}
	scripts := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllStringSubmatch(a.Body, -1)
	if len(scripts) != 1 {
		t.Fatalf("%d scripts in %s", len(scripts), a.Body)
	}
	sum := sha256.Sum256([]byte(scripts[0][1]))
	policy := "default-src 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
	if got := a.Header.Get("Content-Security-Policy"); got != policy {
		t.Errorf("the policy is %q, want %q", got, policy)
	}
	action := html.UnescapeString(regexp.MustCompile(`action="([^"]*)"`).FindStringSubmatch(a.Body)[1])
	fields := regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(a.Body, -1)
	form := url.Values{}
	for _, f := range fields {
		form.Add(f[1], html.UnescapeString(f[2]))
	}
	if u := must(url.Parse(action)); u.Query().Get("charset") != "utf-8" || u.Query().Get("sign") == "" || u.Query().Get("biz_content") != "" {
		t.Errorf("the action is %s", action)
	}
	if len(form) != 1 || !strings.Contains(a.Body, `method="post"`) || !strings.Contains(a.Body, "<noscript>") {
		t.Errorf("the page is %s", a.Body)
	}
	resp, err := http.PostForm(action, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if page, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the gateway answered %d, %v: %s", resp.StatusCode, err, page)
	}
	if tr, err := w.Gateway.Trade("Q5"); err != nil || tr.TotalAmount != "1.00" {
		t.Errorf("the gateway has %+v, %v", tr, err)
	}
}

// TestTimeExpire: the cashier takes no money for ever.
func TestTimeExpire(t *testing.T) {
	w := newWorld(t, "", func(w *world) { w.site = "expire 90m" })
	in := func(d time.Duration) string { return time.Now().In(trade.Zone).Add(d).Format(trade.TimeLayout) }
	for member, want := range map[string]map[string]any{
		"":                                       {"time_expire": in(90 * time.Minute)},
		`,"time_expire":"` + in(time.Hour) + `"`: {"time_expire": in(time.Hour)},
		`,"timeout_express":"30m"`:               {"timeout_express": "30m"},
		`,"timeout_express":null`:                {"time_expire": in(90 * time.Minute)},
	} {
		w.looksUpText(200, "application/json", `{"out_trade_no":"Q6","total_amount":"1.00","subject":"tea"`+member+`}`)
		biz, _ := bizContent(t, w.pay("Q6").String())
		for _, name := range []string{"time_expire", "timeout_express"} {
			got, expected := biz[name], want[name]
			if name == "time_expire" && got != nil && expected != nil {
				got, expected = within(t, got, expected), true
			}
			if got != expected {
				t.Errorf("%s: %s is %v, want %v", member, name, biz[name], want[name])
			}
		}
	}
}

// within reports whether two of Alipay's times lie no further apart than this
// test may take.
func within(t *testing.T, a, b any) bool {
	t.Helper()
	x, err1 := time.ParseInLocation(trade.TimeLayout, a.(string), trade.Zone)
	y, err2 := time.ParseInLocation(trade.TimeLayout, b.(string), trade.Zone)
	return err1 == nil && err2 == nil && x.Sub(y).Abs() < 2*time.Minute
}

// TestPayAgain: what is settled is not paid twice, and the buyer is told so in
// two languages.
func TestPayAgain(t *testing.T) {
	w := newWorld(t, shows)
	for no, notices := range map[string][]url.Values{
		"Q7": {w.notice("Q7", "1.00")},
		"Q8": {w.closeNotice("Q8", "1.00")},
		"Q9": {w.notice("Q9", "1.00"), w.closeNotice("Q9", "1.00")},
	} {
		w.buy(no, "1.00")
		for _, v := range notices {
			w.wantNotify(v, http.StatusOK, "success")
		}
	}
	for no, text := range map[string]string{
		"Q7": "这个订单已经支付，请勿重复付款。 This order is already paid; please do not pay again.",
		"Q8": "这个订单已经关闭，请重新下单。 This order is closed; please order again.",
		"Q9": "这个订单的付款正在人工核对，请联系商家。 A payment for this order is being checked; please contact the shop.",
	} {
		for _, amount := range []string{"1.00", "2.00"} {
			w.Shop.offer(no, amount)
			if a := w.get("/pay?out_trade_no=" + no); a.Status != http.StatusConflict || a.Body != "409 "+text {
				t.Errorf("%s was answered %d %q", no, a.Status, a.Body)
			}
		}
	}
}

// TestHostDecidesNothing: the addresses that Alipay gets are public_url's.
func TestHostDecidesNothing(t *testing.T) {
	w := newWorld(t, "", func(w *world) { w.address = strings.Replace(w.URL, "127.0.0.1", "", 1) })
	w.Shop.offer("Q10", "1.00")
	for _, headers := range [][]string{
		{"Host: evil.example"},
		{"Host: evil.example:8080", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "Forwarded: host=evil.example"},
	} {
		lines := append([]string{"GET /pay?out_trade_no=Q10 HTTP/1.1", "Connection: close"}, headers...)
		a := raw(t, w.URL, append(lines, "", "")...)
		_, q := bizContent(t, a.Header.Get("Location"))
		if q.Get("return_url") != w.URL+"/pay/return" || q.Get("notify_url") != w.URL+"/pay/notify" || strings.Contains(a.Header.Get("Location"), "evil") {
			t.Errorf("%q became %s", headers, a.Header.Get("Location"))
		}
	}
	if a := raw(t, w.URL, "GET http://evil.example/pay?out_trade_no=Q10 HTTP/1.1", "Host: evil.example", "Connection: close", "", ""); strings.Contains(a.Header.Get("Location"), "evil") {
		t.Errorf("%s", a.Header.Get("Location"))
	}
}
