// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// maxRedirect is the length of a URL up to which the buyer is redirected. Above
// it proxies and browsers differ, and the URL becomes a form, which is Alipay's
// own default.
const maxRedirect = 2 << 10

// answerCashier sends the browser on: as JSON to a script that prefers it, as a
// redirect, or as a form that submits itself.
func answerCashier(w http.ResponseWriter, r *http.Request, outTradeNo string, c *gateway.Cashier) error {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
	h.Set("Referrer-Policy", "no-referrer")
	if prefersJSON(r.Header.Values("Accept")) {
		h.Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(struct {
			URL        string `json:"alipay_url"`
			OutTradeNo string `json:"out_trade_no"`
		}{c.URL, outTradeNo})
	}
	if len(c.URL) <= maxRedirect {
		h.Set("Location", c.URL)
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	return answerForm(w, c)
}

// formPage posts the order to the gateway. Its one line of script is allowed by
// its hash, so that the page needs no other.
var formPage = template.Must(template.New("pay").Parse(`<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>正在前往支付宝 · Going to Alipay</title></head><body>
<form id="alipay" method="post" action="{{.Action}}" accept-charset="utf-8">
{{range .Fields}}<input type="hidden" name="{{.Name}}" value="{{.Value}}">
{{end}}<noscript><button type="submit">前往支付宝付款 · Continue to Alipay</button></noscript>
</form>
<script>document.getElementById("alipay").submit()</script>
</body></html>
`))

// formScriptHash is the SHA-256 of the script above, in base64. A test holds it.
const formScriptHash = "sha256-MTuELT+OD0Yn9xYFtKkcA8FssvCn8FpEErRbhhnGfMU="

func answerForm(w http.ResponseWriter, c *gateway.Cashier) error {
	action, fields := c.Form()
	var page bytes.Buffer
	err := formPage.Execute(&page, struct {
		Action string
		Fields []gateway.Field
	}{action, fields})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src '"+formScriptHash+"'; base-uri 'none'; frame-ancestors 'none'")
	_, err = w.Write(page.Bytes())
	return err
}

// prefersJSON reports whether Accept ranks application/json above text/html.
// Browsers do not; a shop's script that says so does.
func prefersJSON(accept []string) bool {
	var json, html float64
	for _, header := range accept {
		for entry := range strings.SplitSeq(header, ",") {
			mediaType, q := weigh(entry)
			switch mediaType {
			case "application/json":
				json = max(json, q)
			case "text/html", "application/xhtml+xml":
				html = max(html, q)
			}
		}
	}
	return json > html
}

// weigh splits one entry of Accept into its type and its q, which is 1 if absent.
func weigh(entry string) (mediaType string, q float64) {
	mediaType, params, _ := strings.Cut(entry, ";")
	q = 1
	for p := range strings.SplitSeq(params, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(p), "=")
		if ok && strings.EqualFold(name, "q") {
			if v, err := strconv.ParseFloat(value, 64); err == nil && v >= 0 && v <= 1 {
				q = v
			}
		}
	}
	return strings.ToLower(strings.TrimSpace(mediaType)), q
}
