// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

//go:embed web
var webFiles embed.FS

// pages are the templates, parsed once; each page brings its own "content".
var pages = parsePages()

func parsePages() map[string]*template.Template {
	pages := map[string]*template.Template{}
	for _, name := range []string{"cashier", "qr", "problem", "panel", "order"} {
		pages[name] = template.Must(template.ParseFS(webFiles, "web/layout.html", "web/fault.html", "web/"+name+".html"))
	}
	return pages
}

// page is what every template gets.
type page struct {
	Lang    string // zh or en
	Charset string // wire.UTF8 or wire.GBK
	Nonce   string // of the inline style and script
	Title   string
	Panel   bool
	Data    any
}

// T is a text in the page's language.
func (p page) T(key string) (string, error) {
	text, ok := texts[key]
	if !ok {
		return "", fmt.Errorf("no text %q", key)
	}
	if p.Lang == "en" {
		return text.en, nil
	}
	return text.zh, nil
}

// With is the page with other data, for a part of it.
func (p page) With(data any) page {
	p.Data = data
	return p
}

// Fault is what a fault does, in the page's language.
func (p page) Fault(info FaultInfo) string {
	if p.Lang == "en" {
		return info.About
	}
	return info.AboutZH
}

// Say is a problem in the page's language, as far as its code is known.
func (p page) Say(code, text string) string {
	if english := problemsInEnglish[code]; p.Lang == "en" && english != "" {
		return english
	}
	return text
}

// Name is a buyer's name in the page's language.
func (p page) Name(buyer *bank.Buyer) string {
	if p.Lang == "en" {
		return buyer.English
	}
	return buyer.Name
}

// Yuan writes an amount with its thousands apart: 1,000.00.
func (page) Yuan(amount bank.Fen) string {
	whole, decimals, _ := strings.Cut(amount.String(), ".")
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	return whole + "." + decimals
}

// Inc counts buyers from 1.
func (page) Inc(i int) int { return i + 1 }

// language follows ?lang=, then Accept-Language, then Chinese.
func language(r *http.Request) string {
	if lang := r.URL.Query().Get("lang"); lang == "zh" || lang == "en" {
		return lang
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag := strings.ToLower(strings.TrimSpace(part))
		if strings.HasPrefix(tag, "zh") {
			return "zh"
		}
		if strings.HasPrefix(tag, "en") {
			return "en"
		}
	}
	return "zh"
}

// showPage renders a page in full before the first byte is sent.
func (s *Sandbox) showPage(w http.ResponseWriter, r *http.Request, name string, data any) {
	s.showStatus(w, r, http.StatusOK, wire.UTF8, name, data)
}

func (s *Sandbox) showStatus(w http.ResponseWriter, r *http.Request, status int, charset, name string, data any) {
	view := page{
		Lang: language(r), Charset: charset, Nonce: randomToken(), Title: name, Data: data,
		Panel: name == "panel" || name == "order",
	}
	text, err := view.render(name)
	if err != nil {
		s.cfg.Logger.Error("page cannot be rendered", "page", name, "error", err)
		http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html;charset="+charset)
	header.Set("Content-Language", view.Lang)
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+view.Nonce+
		"'; script-src 'nonce-"+view.Nonce+"'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a client that went away needs no answer
}

// render gives the page's bytes in its charset.
func (p page) render(name string) (string, error) {
	var text strings.Builder
	if err := pages[name].ExecuteTemplate(&text, "layout", p); err != nil {
		return "", err
	}
	return wire.Encode(p.Charset, text.String())
}

// problemData is what the payer sees when an order cannot be opened.
type problemData struct {
	Code string
	Text string
	Over bool // not the merchant's mistake: the visit is too old
}

// showGatewayProblem shows an error to the payer as the gateway does for methods
// that a browser opens: 200 and GBK, whatever the request's charset, with the
// error's code in the page.
func (s *Sandbox) showGatewayProblem(w http.ResponseWriter, r *http.Request, err error) {
	s.showStatus(w, r, http.StatusOK, wire.GBK, "problem", describeProblem(err))
}

// showProblem shows an error of the cashier's own pages.
func (s *Sandbox) showProblem(w http.ResponseWriter, r *http.Request, status int, err error) {
	s.showStatus(w, r, status, wire.UTF8, "problem", describeProblem(err))
}

func describeProblem(err error) problemData {
	data := problemData{Over: errors.Is(err, errNoVisit)}
	var refused *gatewayError
	var failed *bank.Error
	switch {
	case errors.As(err, &refused):
		data.Code, data.Text = refused.subCode, strings.ReplaceAll(refused.subMsg, "&amp;", "&")
	case errors.As(err, &failed):
		data.Code, data.Text = failed.Code, failed.Text
	}
	if data.Code == "" && !data.Over {
		data.Code, data.Text = "isp.unknow-error", "系统繁忙"
	}
	return data
}
